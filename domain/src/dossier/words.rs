//! Texts that some systems fill with anything to get past the check that they are there. What says nothing is refused by
//! name, like any other wrong value.

use crate::invalid::Refusal;
use crate::scalar::{Scalar, ScalarSchema};
use crate::text::Text;

/// The dossier's summary (trích yếu hồ sơ), at most 1,000 characters: the portal refuses longer ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Summary(Text<1, 1000>);

const EMPTY_SUMMARIES: &[&str] = &["dinhkem", "đính kèm", "dinh kem", "không có", "n/a", "null", "-", "."];

impl Scalar for Summary {
    const SCHEMA: ScalarSchema = ScalarSchema {
        description: "Trích yếu hồ sơ, tối đa 1000 ký tự. / Summary, at most 1,000 characters.",
        example: "Cấp giấy phép xây dựng nhà ở riêng lẻ",
        ..<Text<1, 1000> as Scalar>::SCHEMA
    };

    fn parse(text: &str) -> Result<Self, Refusal> {
        let text = Text::parse(text)?;
        if EMPTY_SUMMARIES.contains(&text.as_str().trim().to_lowercase().as_str()) {
            return Err(Refusal::new(
                "placeholder",
                "Đây là giá trị giả định, không phải trích yếu hồ sơ.",
                "This is a placeholder, not a summary.",
            ));
        }
        Ok(Self(text))
    }

    fn to_text(&self) -> String {
        self.0.to_text()
    }
}

impl Summary {
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

crate::scalar!(Summary);

/// The name of the officer who did a step (người xử lý), at most 50 characters: the portal refuses longer ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OfficerName(Text<1, 50>);

const NOT_NAMES: &[&str] = &["chuyên viên", "cán bộ", "không có", "n/a", "null", "-", "."];

impl Scalar for OfficerName {
    const SCHEMA: ScalarSchema = ScalarSchema {
        description: "Người xử lý; tối đa 50 ký tự vì Cổng từ chối dài hơn. / The officer; the portal refuses longer names.",
        example: "Trần Thị Ví Dụ",
        ..<Text<1, 50> as Scalar>::SCHEMA
    };

    fn parse(text: &str) -> Result<Self, Refusal> {
        let text = Text::parse(text)?;
        if NOT_NAMES.contains(&text.as_str().trim().to_lowercase().as_str()) {
            return Err(Refusal::new(
                "placeholder",
                "Đây là chức danh hoặc giá trị giả định, không phải tên người xử lý.",
                "This is a post or a placeholder, not the name of the officer.",
            ));
        }
        Ok(Self(text))
    }

    fn to_text(&self) -> String {
        self.0.to_text()
    }
}

impl OfficerName {
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

crate::scalar!(OfficerName);
