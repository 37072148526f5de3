//! The ten dossier states (trạng thái hồ sơ).

crate::code_enum! {
    /// A dossier's state. The list is the same in every local product seen; its numbers live in the adapters.
    pub enum DossierState: "Trạng thái hồ sơ. / Dossier state." {
        /// Entered by the citizen, not yet received.
        Registered = "registered" => "Mới đăng ký",
        Received = "received" => "Được tiếp nhận",
        NotAccepted = "not_accepted" => "Không được tiếp nhận",
        Processing = "processing" => "Đang xử lý",
        /// The clock pauses until the citizen has supplemented.
        SupplementRequested = "supplement_requested" => "Yêu cầu bổ sung giấy tờ",
        FinancialDutyRequested = "financial_duty_requested" => "Yêu cầu thực hiện nghĩa vụ tài chính",
        WithdrawnByCitizen = "withdrawn_by_citizen" => "Công dân yêu cầu rút hồ sơ",
        Stopped = "stopped" => "Dừng xử lý",
        Finished = "finished" => "Đã xử lý xong",
        ResultReturned = "result_returned" => "Đã trả kết quả",
    }
}

impl DossierState {
    /// Whether a dossier in this state has been received, so that its time of receipt must be known. A dossier that was
    /// withdrawn or not accepted may never have been.
    pub const fn implies_receipt(self) -> bool {
        !matches!(self, Self::Registered | Self::NotAccepted | Self::WithdrawnByCitizen)
    }
}
