//! The indicators by their numbers in Quyết định 766/QĐ-TTg, those that cannot be computed included.

use crate::invalid::Message;

crate::code_enum! {
    /// An indicator (chỉ số). Its written name is its number.
    pub enum Indicator: "Chỉ số. / Indicator." {
        PublicationDecided = "1.1" => "Tỷ lệ quyết định công bố thủ tục hành chính đúng hạn",
        PublicationDisclosed = "1.2" => "Tỷ lệ thủ tục hành chính được công khai đúng hạn",
        SyncRate = "1.4" => "Tỷ lệ hồ sơ được đồng bộ lên Cổng Dịch vụ công quốc gia",
        OnTime = "2.1" => "Tỷ lệ hồ sơ giải quyết đúng hạn",
        OnlineShare = "3.3" => "Tỷ lệ hồ sơ trực tuyến",
        OnlinePayment = "3.6" => "Tỷ lệ hồ sơ thanh toán trực tuyến",
        ElectronicResult = "4.1" => "Tỷ lệ hồ sơ có kết quả giải quyết điện tử",
        Digitised = "4.2" => "Tỷ lệ số hóa hồ sơ, kết quả giải quyết",
        Reuse = "4.3" => "Tỷ lệ khai thác, sử dụng lại dữ liệu số hóa",
        NationalRepository = "4.4" => "Tỷ lệ hồ sơ dùng giấy tờ từ kho dữ liệu quốc gia",
        PopulationData = "4.5" => "Tỷ lệ hồ sơ khai thác dữ liệu dân cư",
        PetitionsInTime = "5.2" => "Tỷ lệ phản ánh, kiến nghị được xử lý đúng hạn",
        Satisfaction = "5.4" => "Mức độ hài lòng trong giải quyết thủ tục hành chính",
    }
}

impl Indicator {
    /// Those that are decided dossier by dossier.
    pub const JUDGED: [Indicator; 9] = [
        Self::OnTime,
        Self::OnlineShare,
        Self::OnlinePayment,
        Self::ElectronicResult,
        Self::Digitised,
        Self::Reuse,
        Self::NationalRepository,
        Self::PopulationData,
        Self::Satisfaction,
    ];

    /// Its place in [`Indicator::JUDGED`].
    pub(super) fn place(self) -> Option<usize> {
        Self::JUDGED.iter().position(|one| *one == self)
    }

    pub const fn english(self) -> &'static str {
        match self {
            Self::PublicationDecided => "Decisions on procedures published in time",
            Self::PublicationDisclosed => "Procedures made public in time",
            Self::SyncRate => "Dossiers synchronised with the National Public Service Portal",
            Self::OnTime => "Dossiers handled on time",
            Self::OnlineShare => "Online dossiers",
            Self::OnlinePayment => "Dossiers paid online",
            Self::ElectronicResult => "Dossiers with an electronic result",
            Self::Digitised => "Dossiers and results digitised",
            Self::Reuse => "Digitised data re-used",
            Self::NationalRepository => "Dossiers with papers from the national repository",
            Self::PopulationData => "Dossiers that use population data",
            Self::PetitionsInTime => "Petitions handled in time",
            Self::Satisfaction => "Satisfaction with the handling of procedures",
        }
    }

    /// All points of this indicator, where the reference tells them by themselves and not only for its group.
    pub const fn full_points(self) -> Option<u8> {
        match self {
            Self::SyncRate => Some(6),
            Self::OnTime => Some(20),
            _ => None,
        }
    }

    /// Where the formula comes from, and how far that can be trusted.
    pub fn source(self) -> Message {
        Message::new(
            format!(
                "Quyết định 766/QĐ-TTg ngày 23/6/2022, chỉ số {self}; công thức theo một tài liệu làm việc, giá trị pháp lý chưa được xác nhận."
            ),
            format!(
                "Decision 766/QĐ-TTg of 23/6/2022, indicator {self}; the formula is that of a working document whose legal status is not confirmed."
            ),
        )
    }
}
