//! Why a dossier costs points in an indicator, or cannot be decided in it: a closed list.

crate::code_enum! {
    /// One reason. Those that only say that something is not known cost nothing.
    pub enum Reason: "Lý do hồ sơ làm giảm chỉ số, hoặc chưa xác định được. / Why a dossier lowers an indicator, or is undecided." {
        ReceiptTimeMissing = "receipt_time_missing" => "Thiếu ngày tiếp nhận, nên hồ sơ không được tính",
        SecondSupplementRequest = "second_supplement_request" => "Yêu cầu bổ sung hơn một lần, nên bị tính là trễ hạn",
        FinishedLate = "finished_late" => "Kết thúc xử lý sau ngày hẹn trả",
        UnfinishedAfterDue = "unfinished_after_due" => "Chưa kết thúc mà đã quá ngày hẹn trả vào cuối kỳ",
        SupplementRequestedLate = "supplement_requested_late" => "Yêu cầu bổ sung sau ngày hẹn trả",
        BeyondLegalTime = "beyond_legal_time" => "Không có ngày hẹn trả và quá thời hạn giải quyết dài nhất",
        TimeLimitUnknown = "time_limit_unknown" => "Không biết ngày hẹn trả lẫn thời hạn giải quyết",
        ChannelMissing = "channel_missing" => "Thiếu kênh thực hiện, nên bị tính là trực tiếp",
        DirectChannel = "direct_channel" => "Nộp trực tiếp",
        PostalChannel = "postal_channel" => "Nộp qua bưu chính công ích",
        ElectronicResultMissing = "electronic_result_missing" => "Trực tuyến nhưng không có kết quả điện tử",
        ResultCodeMissing = "result_code_missing" => "Có đường dẫn kết quả điện tử nhưng thiếu mã kết quả",
        PaperResultUnknown = "paper_result_unknown" => "Không biết thủ tục có trả giấy tờ kết quả hay không",
        NotPaidOnline = "not_paid_online" => "Có phí, lệ phí nhưng không thanh toán trực tuyến",
        FeeNotTold = "fee_not_told" => "Thủ tục có phí, lệ phí nhưng hồ sơ không nêu khoản nào và không thanh toán trực tuyến",
        FeesOfProcedureUnknown = "fees_of_procedure_unknown" => "Không biết thủ tục có phí, lệ phí hay không",
        ResultLinkMissing = "result_link_missing" => "Thiếu đường dẫn tệp kết quả",
        AttachmentMissing = "attachment_missing" => "Giấy tờ nộp không có tệp đính kèm",
        AttachmentAndResultLinkMissing = "attachment_and_result_link_missing" => "Thiếu tệp đính kèm của giấy tờ nộp và thiếu đường dẫn tệp kết quả",
        NothingDigitised = "nothing_digitised" => "Không có thành phần hồ sơ nào được số hóa",
        NothingFromRepository = "nothing_from_repository" => "Không có giấy tờ nào lấy từ kho dữ liệu quốc gia",
        NoPopulationData = "no_population_data" => "Không xác thực với VNeID và không khai thác CSDLQG về dân cư",
        PopulationDatabaseUnknown = "population_database_unknown" => "Không biết mã nào là của CSDLQG về dân cư",
        Late = "late" => "Trễ hạn",
        Complaint = "complaint" => "Bị phản ánh, kiến nghị hoặc không hài lòng",
        LateAndComplaint = "late_and_complaint" => "Trễ hạn và bị phản ánh, kiến nghị hoặc không hài lòng, tính hai lần",
        PunctualityUnknown = "punctuality_unknown" => "Không biết đúng hạn hay trễ hạn",
        ComplaintsUnknown = "complaints_unknown" => "Không biết có phản ánh, kiến nghị hoặc không hài lòng hay không",
    }
}

impl Reason {
    pub const fn english(self) -> &'static str {
        match self {
            Self::ReceiptTimeMissing => "The time of receipt is missing, so the dossier is not counted",
            Self::SecondSupplementRequest => "A supplement was requested more than once, which counts as late",
            Self::FinishedLate => "Finished after it was due",
            Self::UnfinishedAfterDue => "Not finished, and due before the end of the period",
            Self::SupplementRequestedLate => "A supplement was requested after the dossier was due",
            Self::BeyondLegalTime => "Not told when due, and longer than the longest legal time",
            Self::TimeLimitUnknown => "Neither the due time nor the legal time limit is known",
            Self::ChannelMissing => "The channel is missing, which counts as direct",
            Self::DirectChannel => "Submitted directly",
            Self::PostalChannel => "Submitted by public post",
            Self::ElectronicResultMissing => "Online, but without an electronic result",
            Self::ResultCodeMissing => "The electronic result has a link but no result code",
            Self::PaperResultUnknown => "It is not known whether the procedure returns a paper",
            Self::NotPaidOnline => "It bears fees and was not paid online",
            Self::FeeNotTold => "The procedure bears fees, the dossier tells none and was not paid online",
            Self::FeesOfProcedureUnknown => "It is not known whether the procedure bears fees",
            Self::ResultLinkMissing => "No link to a result file",
            Self::AttachmentMissing => "No submitted paper has an attachment",
            Self::AttachmentAndResultLinkMissing => {
                "No submitted paper has an attachment, and no link to a result file"
            }
            Self::NothingDigitised => "No component was digitised",
            Self::NothingFromRepository => "No paper was taken from the national repository",
            Self::NoPopulationData => "Neither verified with VNeID nor checked with the population database",
            Self::PopulationDatabaseUnknown => "It is not known which code is the population database's",
            Self::Late => "Late",
            Self::Complaint => "There was a complaint or a dislike",
            Self::LateAndComplaint => "Late, and there was a complaint or a dislike: counts twice",
            Self::PunctualityUnknown => "It is not known whether it was on time",
            Self::ComplaintsUnknown => "It is not known whether there was a complaint or a dislike",
        }
    }
}
