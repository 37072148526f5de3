//! The portal's own words: service names, field names and shapes, as the wire has them. Nothing else in this crate
//! knows them. Types that go out hold personal data in the clear and therefore cannot be printed.

use std::collections::BTreeMap;

use serde::Serialize;

pub(crate) const DESTINATION: &str = "dstcode";
pub(crate) const PROVIDER_URL: &str = "providerurl";

pub(crate) const SEND_DOSSIER: &str = "DongBoHoSoMC";
pub(crate) const SEND_STEP: &str = "CapNhatTienDoHoSoMC";
pub(crate) const SEND_REPORT: &str = "DongBoTrangThaiHoSo";
pub(crate) const READ_PROCEDURE: &str = "LayThuTuc";
pub(crate) const LIST_PROCEDURES: &str = "LayDanhSachTTHC";
pub(crate) const FIND_ACCOUNT: &str = "TraCuuTechID";

/// Members of replies. Their case differs between products: names are compared without regard to ASCII case.
pub(crate) mod reply {
    pub(crate) const CODE: &[&str] = &["error_code", "errorCode"];
    pub(crate) const MESSAGE: &[&str] = &["message"];
    pub(crate) const SESSION: &[&str] = &["session"];
    pub(crate) const RESULT: &[&str] = &["result"];
    pub(crate) const DATA: &[&str] = &["data"];
    pub(crate) const PROCEDURE_NAME: &[&str] = &["TENTTHC"];
    pub(crate) const FIELDS: &[&str] = &["LINHVUCTHUCHIEN"];
    pub(crate) const FIELD_CODE: &[&str] = &["MALINHVUC"];
    pub(crate) const FIELD_NAME: &[&str] = &["TENLINHVUC"];
    pub(crate) const ACCOUNT_ID: &[&str] = &["TECHNICALID"];
}

/// Members of the list of procedures, of a procedure's detail, and of dictionaries.
pub(crate) mod catalogue {
    pub(crate) const CODE: &[&str] = &["MATTHC"];
    pub(crate) const NAME: &[&str] = &["TENTTHC"];
    pub(crate) const STANDING: &[&str] = &["TRANGTHAI"];
    pub(crate) const PUBLIC: &str = "1";
    pub(crate) const DECISION: &[&str] = &["QUYETDINH"];
    pub(crate) const DECISION_ID: &[&str] = &["IDQUYETDINHCONGBO"];
    pub(crate) const ISSUER: &[&str] = &["MACOQUANCONGBO"];
    pub(crate) const KIND: &[&str] = &["LOAITTHC"];
    pub(crate) const DESCRIPTION: &[&str] = &["MOTA"];
    pub(crate) const REQUIREMENTS: &[&str] = &["YEUCAU"];
    pub(crate) const KEYWORDS: &[&str] = &["TUKHOA"];
    pub(crate) const RECEPTION_ADDRESS: &[&str] = &["DIACHITIEPNHAN"];
    pub(crate) const SUBJECTS_TEXT: &[&str] = &["MOTADOITUONGTHUCHIEN"];
    pub(crate) const IMPLEMENTING_TEXT: &[&str] = &["MOTACOQUANTHUCHIEN"];
    pub(crate) const COMPETENT_TEXT: &[&str] = &["MOTACOQUANTHAMQUYEN"];

    pub(crate) const SEQUENCES: &[&str] = &["TRINHTUTHUCHIEN"];
    pub(crate) const CASE: &[&str] = &["TRUONGHOP"];
    pub(crate) const STEPS: &[&str] = &["TRINHTU"];
    pub(crate) const STEP: &[&str] = &["TENTRINHTU"];
    pub(crate) const LEVELS: &[&str] = &["CAPTHUCHIEN"];
    pub(crate) const LEVEL: &[&str] = &["CAPTHUCHIEN"];
    pub(crate) const METHODS: &[&str] = &["CACHTHUCTHUCHIEN"];
    pub(crate) const CHANNEL: &[&str] = &["KENH"];
    pub(crate) const TIMES: &[&str] = &["THOIGIAN"];
    pub(crate) const TIME: &[&str] = &["THOIGIANGIAIQUYET"];
    pub(crate) const TIME_UNIT: &[&str] = &["DONVITINH"];
    pub(crate) const NOTE: &[&str] = &["MOTA"];
    pub(crate) const FEES: &[&str] = &["PHILEPHI"];
    pub(crate) const FEE_CODE: &[&str] = &["MAPHILEPHI"];
    pub(crate) const AMOUNT: &[&str] = &["SOTIEN"];
    pub(crate) const CURRENCY: &[&str] = &["DONVI"];
    pub(crate) const SUBJECTS: &[&str] = &["DOITUONGTHUCHIEN"];
    pub(crate) const SUBJECT_CODE: &[&str] = &["MADOITUONG"];
    pub(crate) const SUBJECT_NAME: &[&str] = &["TENDOITUONG"];
    pub(crate) const COMPONENTS: &[&str] = &["THANHPHANHOSO"];
    pub(crate) const PAPERS: &[&str] = &["GIAYTO"];
    pub(crate) const PAPER_CODE: &[&str] = &["MAGIAYTO"];
    pub(crate) const PAPER_NAME: &[&str] = &["TENGIAYTO"];
    pub(crate) const ORIGINALS: &[&str] = &["SOBANCHINH"];
    pub(crate) const COPIES: &[&str] = &["SOBANSAO"];
    pub(crate) const FORM_NAME: &[&str] = &["TENMAUDON"];
    pub(crate) const REPLACED_BY: &[&str] = &["MA_KQ_THAYTHE"];
    pub(crate) const RESULTS: &[&str] = &["KETQUATHUCHIEN"];
    pub(crate) const RESULT_CODE: &[&str] = &["MAKETQUA"];
    pub(crate) const RESULT_NAME: &[&str] = &["TENKETQUA"];
    pub(crate) const FILE_NAME: &[&str] = &["TENTEP"];
    pub(crate) const URL: &[&str] = &["URL"];
    pub(crate) const LEGAL_BASES: &[&str] = &["CANCUPHAPLY"];
    pub(crate) const DOCUMENT_NUMBER: &[&str] = &["SOVANBAN"];
    pub(crate) const DOCUMENT_NAME: &[&str] = &["TENVANBAN"];
    pub(crate) const ISSUED: &[&str] = &["NGAYBANHANH"];
    pub(crate) const EFFECTIVE: &[&str] = &["NGAYHIEULUC"];
    pub(crate) const ISSUED_BY: &[&str] = &["COQUANBANHANH"];
    pub(crate) const DOCUMENT_URL: &[&str] = &["DIACHITRUYCAP"];
    pub(crate) const RELATED: &[&str] = &["TTHCLIENQUAN"];
    pub(crate) const LINKED: &[&str] = &["TTHCLIENTHONG"];
    pub(crate) const IMPLEMENTING: &[&str] = &["COQUANTHUCHIEN"];
    pub(crate) const COMPETENT: &[&str] = &["COQUANCOTHAMQUYEN"];
    pub(crate) const DELEGATED: &[&str] = &["COQUANDUOCUYQUYEN"];
    pub(crate) const COORDINATING: &[&str] = &["COQUANPHOIHOP"];
    pub(crate) const AGENCY_CODE: &[&str] = &["MADONVI"];
    pub(crate) const AGENCY_NAME: &[&str] = &["TENDONVI"];

    /// Of lines of dictionaries. Of fields.
    pub(crate) const SECTOR: &[&str] = &["MANGANH"];
    /// Of agencies.
    pub(crate) const AGENCY_LEVEL: &[&str] = &["CAPDONVI"];
}

/// Members of what the portal sends by itself, and the texts in them.
pub(crate) mod inbound {
    pub(crate) const SERVICE: &[&str] = &["service"];
    pub(crate) const IS_UPDATING: &[&str] = &["isUpdating"];
    pub(crate) const DATA: &[&str] = &["data"];
    pub(crate) const SHARED_KEY: &[&str] = &["SecurityKey"];
    /// A payment of land tax, at the address of dossiers.
    pub(crate) const TAX_PAID: &str = "NhanChungTuThueDat";

    pub(crate) const NATIONAL_CODE: &[&str] = &["MaHoSoQG", "MaHoSo"];
    pub(crate) const PROCEDURE: &[&str] = &["MaTTHC"];
    pub(crate) const DOCUMENT_NUMBER: &[&str] = &["SoVanBan"];
    pub(crate) const SUBMITTED_AT: &[&str] = &["NgayNopHoSo"];
    pub(crate) const CHANGE_REASON: &[&str] = &["LyDoDieuChinh"];
    pub(crate) const FILE_NAME: &[&str] = &["TenTepDangKy"];
    pub(crate) const FILE_LINK: &[&str] = &["URLTepDangKy"];

    pub(crate) const PAYMENT: &[&str] = &["ThongTinThanhToan"];
    pub(crate) const NOTICE_CODE: &[&str] = &["MaThongBaoThue"];
    pub(crate) const PAID_AT: &[&str] = &["ThoiGianThanhToan"];
    pub(crate) const AMOUNT: &[&str] = &["SoTien"];
    pub(crate) const PAYMENT_CONTENT: &[&str] = &["NoiDungThanhToan"];
    pub(crate) const PAYMENT_STATUS: &[&str] = &["TrangThaiThanhToan"];
    pub(crate) const PAID: &str = "1";
    pub(crate) const PAYER_NUMBER: &[&str] = &["SoCMTNguoiNopTien"];
    pub(crate) const RECEIPT_LINK: &[&str] = &["UrlFileChungTu"];

    pub(crate) const NOTICE: &[&str] = &["FileThongBaoThue"];
    /// Where the rows of a notice are.
    pub(crate) const NOTICE_PATH: [&str; 3] = ["DATA", "BODY", "ROW_LIST"];
    pub(crate) const NOTICE_DOSSIER: &str = "MA_HSO";
    pub(crate) const DECISION: &str = "LIST";
    pub(crate) const TAX_CODE: &str = "MA_SO_THUE";
    pub(crate) const DECISION_NUMBER: &str = "SO_QUYET_DINH";
    /// `dd-MM-yyyy`.
    pub(crate) const DECISION_DATE: &str = "NGAY_QUYET_DINH";
    pub(crate) const TAX_ITEM: &str = "TEN_TIEUMUC";
    pub(crate) const TAX_AMOUNT: &str = "SO_TIEN";

    pub(crate) const REGISTRATION_FILE: &[&str] = &["TepDonDangKy"];
    pub(crate) const PAPERS: &[&str] = &["TaiLieuNop"];
    pub(crate) const PAPER_NAME: &[&str] = &["TenTepDinhKem"];
    pub(crate) const PAPER_CONTENT: &[&str] = &["Base64"];

    /// What is answered.
    #[derive(serde::Serialize)]
    pub(crate) struct Answer {
        pub(crate) error_code: i8,
        pub(crate) message: String,
    }
}

#[derive(Serialize)]
pub(crate) struct Login<'a> {
    pub(crate) username: &'a str,
    pub(crate) password: &'a str,
}

/// What every call but login carries, around the service's own members.
#[derive(Serialize)]
pub(crate) struct Envelope<'a, T: Serialize> {
    pub(crate) session: &'a str,
    #[serde(rename = "madonvi")]
    pub(crate) own_agency: &'a str,
    pub(crate) service: &'a str,
    #[serde(flatten)]
    pub(crate) members: &'a T,
}

#[derive(Serialize)]
pub(crate) struct DossierUpsert {
    /// "True" or "False".
    #[serde(rename = "isUpdating")]
    pub(crate) is_updating: &'static str,
    pub(crate) data: [DossierItem; 1],
}

#[derive(Serialize)]
pub(crate) struct StepAppend {
    pub(crate) data: [StepItem; 1],
}

/// Where a dossier of the portal stands here. Unlike elsewhere, `data` is one object.
#[derive(Serialize)]
pub(crate) struct Report {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) data: ReportItem,
}

/// Of a [`Report`].
pub(crate) const REPORT_KIND: &str = "2";

#[derive(Serialize)]
pub(crate) struct ReportItem {
    #[serde(rename = "MaHoSo")]
    pub(crate) national_code: String,
    #[serde(rename = "MaHoSoDonVi")]
    pub(crate) local_code: String,
    #[serde(rename = "NoiDung")]
    pub(crate) note: String,
    #[serde(rename = "NgayXuLy")]
    pub(crate) at: String,
    #[serde(rename = "TrangThai")]
    pub(crate) state: String,
    #[serde(rename = "TaiLieuXuLy")]
    pub(crate) papers: Vec<ReportedPaper>,
}

/// Of a report. It has fewer members than a paper of a dossier.
#[derive(Serialize)]
pub(crate) struct ReportedPaper {
    #[serde(rename = "TepDinhKemId")]
    pub(crate) id: String,
    #[serde(rename = "TenTepDinhKem")]
    pub(crate) name: String,
    #[serde(rename = "IsDeleted")]
    pub(crate) is_deleted: &'static str,
    #[serde(rename = "MaThanhPhanHoSo")]
    pub(crate) component_code: String,
    #[serde(rename = "DuongDanTaiTepTin")]
    pub(crate) link: String,
}

#[derive(Serialize)]
pub(crate) struct DossierQuery {
    #[serde(rename = "mahoso")]
    pub(crate) dossier: String,
}

#[derive(Serialize)]
pub(crate) struct ProcedureQuery {
    #[serde(rename = "maTTHC")]
    pub(crate) procedure: String,
}

#[derive(Serialize)]
pub(crate) struct AccountQuery {
    pub(crate) provider: String,
    #[serde(rename = "mstorcmnd")]
    pub(crate) number: String,
}

/// One dossier. Every scalar is a text; an empty text means absent.
#[derive(Serialize)]
pub(crate) struct DossierItem {
    #[serde(rename = "MaHoSo")]
    pub(crate) code: String,
    #[serde(rename = "MaTTHC")]
    pub(crate) procedure_code: String,
    #[serde(rename = "TenTTHC")]
    pub(crate) procedure_name: String,
    #[serde(rename = "MaLinhVuc")]
    pub(crate) field_code: String,
    #[serde(rename = "TenLinhVuc")]
    pub(crate) field_name: String,
    #[serde(rename = "KenhThucHien")]
    pub(crate) channel: &'static str,
    #[serde(rename = "SoBienNhan")]
    pub(crate) receipt_number: String,
    #[serde(rename = "ChuHoSo")]
    pub(crate) owner_name: String,
    #[serde(rename = "LoaiDoiTuong")]
    pub(crate) owner_kind: &'static str,
    #[serde(rename = "MaDoiTuong")]
    pub(crate) owner_account: String,
    #[serde(rename = "DinhDanhCHS")]
    pub(crate) identity_documents: Vec<IdentityItem>,
    #[serde(rename = "ThongTinKhac")]
    pub(crate) other_information: String,
    #[serde(rename = "Email")]
    pub(crate) email: String,
    #[serde(rename = "Fax")]
    pub(crate) fax: String,
    #[serde(rename = "SoDienThoai")]
    pub(crate) phone: String,
    #[serde(rename = "TrichYeuHoSo")]
    pub(crate) summary: String,
    #[serde(rename = "NgayNopHoSo")]
    pub(crate) submitted_at: String,
    #[serde(rename = "NgayTiepNhan")]
    pub(crate) received_at: String,
    #[serde(rename = "NgayHenTra")]
    pub(crate) due_at: String,
    #[serde(rename = "NgayTuChoi")]
    pub(crate) refused_at: String,
    #[serde(rename = "TrangThaiHoSo")]
    pub(crate) state: &'static str,
    #[serde(rename = "NgayTra")]
    pub(crate) returned_at: String,
    #[serde(rename = "ThongTinTra")]
    pub(crate) return_note: String,
    #[serde(rename = "HinhThuc")]
    pub(crate) return_method: &'static str,
    #[serde(rename = "NgayKetThucXuLy")]
    pub(crate) finished_at: String,
    /// The unit's name, not its code.
    #[serde(rename = "DonViXuLy")]
    pub(crate) handling_unit: String,
    #[serde(rename = "GhiChu")]
    pub(crate) note: String,
    #[serde(rename = "NoiNopHoSo")]
    pub(crate) submitted_through: String,
    #[serde(rename = "HoSoCoThanhPhanSoHoa")]
    pub(crate) has_digitised_components: &'static str,
    #[serde(rename = "TaiKhoanDuocXacThucVoiVNeID")]
    pub(crate) is_verified_by_vneid: &'static str,
    #[serde(rename = "DuocThanhToanTrucTuyen")]
    pub(crate) online_payment: &'static str,
    #[serde(rename = "DSKetNoiCSDL")]
    pub(crate) connected_databases: Vec<DatabaseItem>,
    #[serde(rename = "TaiLieuNop")]
    pub(crate) papers: Vec<PaperItem>,
    #[serde(rename = "DanhSachLePhi")]
    pub(crate) fees: Vec<FeeItem>,
    #[serde(rename = "DanhSachTepDinhKemKhac")]
    pub(crate) other_papers: Vec<OtherPaperItem>,
    #[serde(rename = "DanhSachHoSoBoSung")]
    pub(crate) supplements: Vec<SupplementItem>,
    #[serde(rename = "DanhSachGiayToKetQua")]
    pub(crate) results: Vec<ResultItem>,
}

#[derive(Serialize)]
pub(crate) struct IdentityItem {
    #[serde(rename = "LoaiDinhDanh")]
    pub(crate) kind: String,
    #[serde(rename = "SoDinhDanh")]
    pub(crate) number: String,
}

#[derive(Serialize)]
pub(crate) struct DatabaseItem {
    #[serde(rename = "MaCSDL")]
    pub(crate) code: String,
}

#[derive(Serialize)]
pub(crate) struct PaperItem {
    #[serde(rename = "TepDinhKemId")]
    pub(crate) id: String,
    #[serde(rename = "TenTepDinhKem")]
    pub(crate) name: String,
    /// "True" or "False", unlike the other answers of this item.
    #[serde(rename = "IsDeleted")]
    pub(crate) is_deleted: &'static str,
    #[serde(rename = "MaThanhPhanHoSo")]
    pub(crate) component_code: String,
    #[serde(rename = "DuongDanTaiTepTin")]
    pub(crate) link: String,
    #[serde(rename = "DuocSoHoa")]
    pub(crate) is_digitised: &'static str,
    #[serde(rename = "DuocTaiSuDung")]
    pub(crate) is_reused: String,
    #[serde(rename = "DuocLayTuKhoDMQG")]
    pub(crate) is_from_national_repository: &'static str,
    #[serde(rename = "MaKetQuaThayThe")]
    pub(crate) replacing_result_code: String,
}

#[derive(Serialize)]
pub(crate) struct FeeItem {
    #[serde(rename = "TenPhiLePhi")]
    pub(crate) name: String,
    #[serde(rename = "MaPhiLePhi")]
    pub(crate) code: String,
    #[serde(rename = "HinhThucThu")]
    pub(crate) collection: String,
    #[serde(rename = "Gia")]
    pub(crate) amount: String,
    #[serde(rename = "LoaiPhiLePhi")]
    pub(crate) kind: String,
}

#[derive(Serialize)]
pub(crate) struct OtherPaperItem {
    #[serde(rename = "TenGiayTo")]
    pub(crate) name: String,
    #[serde(rename = "SoLuong")]
    pub(crate) count: String,
    #[serde(rename = "LoaiGiayTo")]
    pub(crate) form: String,
}

#[derive(Serialize)]
pub(crate) struct SupplementItem {
    #[serde(rename = "HoSoBoSungId")]
    pub(crate) id: String,
    #[serde(rename = "NguoiYeuCauBoSung")]
    pub(crate) requested_by: String,
    #[serde(rename = "NoiDungBoSung")]
    pub(crate) content: String,
    #[serde(rename = "NgayBoSung")]
    pub(crate) requested_at: String,
    #[serde(rename = "NguoiTiepNhanBoSung")]
    pub(crate) received_by: String,
    #[serde(rename = "ThongTinTiepNhan")]
    pub(crate) receipt_note: String,
    #[serde(rename = "NgayTiepNhanBoSung")]
    pub(crate) received_at: String,
    #[serde(rename = "TrangThaiBoSung")]
    pub(crate) status: String,
    /// The members' names are the profile's: they are not known.
    #[serde(rename = "DanhSachGiayToBoSung")]
    pub(crate) papers: Vec<BTreeMap<String, String>>,
    #[serde(rename = "DanhSachLePhiBoSung")]
    pub(crate) fees: Vec<FeeItem>,
    #[serde(rename = "NgayHenTraTruoc")]
    pub(crate) previous_due_at: String,
    #[serde(rename = "NgayHenTraMoi")]
    pub(crate) new_due_at: String,
}

#[derive(Serialize)]
pub(crate) struct ResultItem {
    #[serde(rename = "TenGiayTo")]
    pub(crate) name: String,
    #[serde(rename = "MaThanhPhanHoSo")]
    pub(crate) component_code: String,
    #[serde(rename = "GiayToId")]
    pub(crate) id: String,
    #[serde(rename = "DuongDanTepTinKetQua")]
    pub(crate) link: String,
    #[serde(rename = "MaGiayToKetQua")]
    pub(crate) result_code: String,
}

/// One processing step.
#[derive(Serialize)]
pub(crate) struct StepItem {
    #[serde(rename = "MaHoSo")]
    pub(crate) dossier: String,
    #[serde(rename = "NguoiXuLy")]
    pub(crate) handled_by: String,
    #[serde(rename = "ChucDanh")]
    pub(crate) title: String,
    #[serde(rename = "ThoiDiemXuLy")]
    pub(crate) handled_at: String,
    #[serde(rename = "PhongBanXuLy")]
    pub(crate) department: String,
    #[serde(rename = "NoiDungXuLy")]
    pub(crate) content: String,
    #[serde(rename = "TrangThai")]
    pub(crate) state: &'static str,
    #[serde(rename = "NgayBatDau")]
    pub(crate) started_at: String,
    #[serde(rename = "NgayKetThucTheoQuyDinh")]
    pub(crate) due_at: String,
}
