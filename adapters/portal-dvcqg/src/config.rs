//! The profile: all that differs between provinces or is not known for certain. Every mistake is reported at once,
//! with its place; nothing here has a default in code (the defaults are `config.toml`).

use deserr::{DeserializeError, Deserr, ErrorKind, IntoValue, Map, Value, ValueKind, ValuePointerRef, take_cf_content};
use lienthong_adapter_kit::Secret;
use lienthong_adapter_kit::breaker::BreakerSettings;
use lienthong_adapter_kit::http::{HttpSettings, Url};
use lienthong_adapter_kit::wire_time::WireTime;
use lienthong_domain::catalogue::AgencyCode;
use lienthong_domain::invalid::{InvalidFields, Refusal, json_pointer};
use lienthong_domain::port::AfterAmbiguity;
use lienthong_domain::scalar::Scalar;

use crate::codes::Codes;
use crate::dictionaries::DictionaryServices;
use crate::inbound::InboundSettings;
use crate::look_up::LookUpSettings;

#[derive(Debug, Clone, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields)]
pub(crate) struct Profile {
    #[deserr(try_from(String) = http_url -> Refusal)]
    pub(crate) adapter_url: Url,
    pub(crate) adapter_prefix: String,
    #[deserr(rename = "dstcode", try_from(String) = header_text -> Refusal)]
    pub(crate) destination: String,
    #[deserr(rename = "dstcode_placement")]
    pub(crate) destination_placement: Placement,
    #[deserr(rename = "providerurl")]
    pub(crate) provider_url: String,
    #[deserr(try_from(String) = set -> Refusal)]
    pub(crate) login_path: String,
    #[deserr(try_from(String) = set -> Refusal)]
    pub(crate) integration_path: String,
    #[deserr(try_from(String) = set -> Refusal)]
    pub(crate) share_path: String,
    #[deserr(rename = "madonvi", try_from(String) = agency -> Refusal)]
    pub(crate) own_agency: String,
    pub(crate) account: Account,
    pub(crate) session: SessionSettings,
    pub(crate) http: HttpSettings,
    pub(crate) read_breaker: BreakerSettings,
    pub(crate) headers: Headers,
    pub(crate) services: Services,
    pub(crate) wire: WireSettings,
    pub(crate) inbound: InboundSettings,
    pub(crate) look_up: LookUpSettings,
    pub(crate) after_ambiguity: AmbiguitySettings,
    pub(crate) catalogue: CatalogueSettings,
    pub(crate) codes: Codes,
    pub(crate) http_status: StatusSettings,
    pub(crate) reply: ReplySettings,
}

impl Profile {
    pub(crate) fn read(settings: &serde_json::Value) -> Result<Self, InvalidFields> {
        deserr::deserialize(settings.clone())
    }

    /// `path` behind the adapter's address and prefix.
    pub(crate) fn address(&self, path: &str) -> Url {
        let parts = [self.adapter_url.path(), &self.adapter_prefix, path];
        let parts: Vec<_> = parts.iter().map(|part| part.trim_matches('/')).filter(|part| !part.is_empty()).collect();
        let mut url = self.adapter_url.clone();
        url.set_path(&parts.join("/"));
        url
    }

    /// Which portal and which account a session belongs to. Not by what address: replicas may each have a security server
    /// of their own, and a test portal is another destination.
    pub(crate) fn session_name(&self) -> String {
        format!("{}/{}/{}", crate::NAME, self.destination, self.account.username)
    }
}

/// Where the destination code goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserr)]
#[deserr(error = InvalidFields, rename_all = lowercase)]
pub(crate) enum Placement {
    Header,
    Query,
    Both,
}

#[derive(Debug, Clone, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields)]
pub(crate) struct Account {
    #[deserr(try_from(String) = set -> Refusal)]
    pub(crate) username: String,
    #[deserr(try_from(String) = set_secret -> Refusal)]
    pub(crate) password: Secret,
}

#[derive(Debug, Clone, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields, validate = session_ages_hold -> InvalidFields)]
pub(crate) struct SessionSettings {
    pub(crate) max_age_ms: i64,
    pub(crate) renew_before_ms: i64,
    pub(crate) only_one: bool,
}

/// One of the portal's two functional addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserr)]
#[deserr(error = InvalidFields, rename_all = lowercase)]
pub(crate) enum Endpoint {
    Integration,
    Share,
}

#[derive(Debug, Clone, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields)]
pub(crate) struct Services {
    pub(crate) look_up_at: Endpoint,
    pub(crate) procedure_at: Endpoint,
    pub(crate) procedures_at: Endpoint,
    pub(crate) dictionaries_at: Endpoint,
    pub(crate) account_at: Endpoint,
    #[deserr(try_from(String) = set -> Refusal)]
    pub(crate) look_up_name: String,
    pub(crate) account_provider: String,
}

#[derive(Debug, Clone, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields)]
pub(crate) struct WireSettings {
    pub(crate) time_format: WireTime,
    #[deserr(try_from(u8) = unwrap_depth -> Refusal)]
    pub(crate) json_unwrap_depth: u8,
    pub(crate) supplement_paper_members: SupplementPaperMembers,
}

/// How the wire names what is said of a paper of a supplement round; an empty name: not at all.
#[derive(Debug, Clone, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields, validate = members_differ -> InvalidFields)]
pub(crate) struct SupplementPaperMembers {
    #[deserr(try_from(String) = set -> Refusal)]
    pub(crate) name: String,
    pub(crate) count: String,
    pub(crate) form: String,
}

/// [`AfterAmbiguity`] as the profile writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserr)]
#[deserr(error = InvalidFields)]
pub(crate) enum Ambiguity {
    #[deserr(rename = "look_up")]
    LookUp,
    #[deserr(rename = "resend")]
    Resend,
    #[deserr(rename = "park")]
    Park,
}

impl From<Ambiguity> for AfterAmbiguity {
    fn from(written: Ambiguity) -> Self {
        match written {
            Ambiguity::LookUp => Self::LookUp,
            Ambiguity::Resend => Self::Resend,
            Ambiguity::Park => Self::Park,
        }
    }
}

#[derive(Debug, Clone, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields, validate = steps_are_safe -> InvalidFields)]
pub(crate) struct AmbiguitySettings {
    pub(crate) insert: Ambiguity,
    pub(crate) update: Ambiguity,
    pub(crate) append_step: Ambiguity,
    pub(crate) report: Ambiguity,
    pub(crate) steps_are_deduplicated: bool,
}

#[derive(Debug, Clone, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields)]
pub(crate) struct CatalogueSettings {
    pub(crate) fresh_ms: u64,
    pub(crate) keep_ms: u64,
    pub(crate) keep_absent_ms: u64,
    pub(crate) pause_ms: u64,
    #[deserr(try_from(u64) = at_least_one -> Refusal)]
    pub(crate) most_procedures: u64,
    pub(crate) dictionaries: DictionaryServices,
    pub(crate) dictionary_code: Vec<String>,
    pub(crate) dictionary_name: Vec<String>,
}

#[derive(Debug, Clone, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields)]
pub(crate) struct StatusSettings {
    pub(crate) not_taken: Vec<u16>,
    pub(crate) rate_limited: Vec<u16>,
    pub(crate) credential_refused: Vec<u16>,
    pub(crate) rejected: Vec<u16>,
}

#[derive(Debug, Clone, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields)]
pub(crate) struct ReplySettings {
    pub(crate) read_codes: Vec<String>,
    #[deserr(try_from(Vec<ReplyRule>) = some_rules -> Refusal)]
    pub(crate) rules: Vec<ReplyRule>,
}

/// What a reply can be recognised as. What fits no rule is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserr)]
#[deserr(error = InvalidFields)]
pub(crate) enum ReplyClass {
    #[deserr(rename = "accepted")]
    Accepted,
    #[deserr(rename = "exists")]
    Exists,
    #[deserr(rename = "missing")]
    Missing,
    #[deserr(rename = "rejected")]
    Rejected,
    #[deserr(rename = "session_invalid")]
    SessionInvalid,
    #[deserr(rename = "retryable")]
    Retryable,
}

#[derive(Debug, Clone, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields, validate = rule_says_something -> InvalidFields)]
pub(crate) struct ReplyRule {
    pub(crate) outcome: ReplyClass,
    #[deserr(default)]
    pub(crate) codes: Vec<String>,
    #[deserr(default)]
    pub(crate) phrases: Vec<String>,
    #[deserr(default)]
    pub(crate) unless: Vec<String>,
}

/// Headers sent with every call, in the order of their names.
#[derive(Debug, Clone)]
pub(crate) struct Headers(pub(crate) Vec<(String, String)>);

impl Deserr<InvalidFields> for Headers {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, InvalidFields> {
        let mut headers = read_texts(value, location)?;
        headers.retain(|(_, text)| !text.is_empty());
        let mut wrong = InvalidFields::default();
        for (name, text) in &headers {
            let is_name = !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
            if !is_name || !is_header_text(text) {
                wrong.push(
                    format!("{}/{name}", json_pointer(location)),
                    Refusal::new("value", "Không phải tiêu đề HTTP hợp lệ.", "Not a valid HTTP header."),
                );
            }
        }
        wrong.into_result(Self(headers))
    }
}

fn is_header_text(text: &str) -> bool {
    text.bytes().all(|c| c == b' ' || c.is_ascii_graphic())
}

/// A table of texts. deserr's own reading of maps drops the mistakes of their values.
pub(crate) fn read_texts<V: IntoValue>(
    value: Value<V>,
    location: ValuePointerRef<'_>,
) -> Result<Vec<(String, String)>, InvalidFields> {
    let Value::Map(map) = value else {
        let kind = ErrorKind::IncorrectValueKind { actual: value, accepted: &[ValueKind::Map] };
        return Err(take_cf_content(<InvalidFields as DeserializeError>::error(None, kind, location)));
    };
    let mut wrong = InvalidFields::default();
    let mut texts = Vec::new();
    for (name, value) in map.into_iter() {
        match <String as Deserr<InvalidFields>>::deserialize_from_value(value.into_value(), location.push_key(&name)) {
            Ok(text) => texts.push((name, text)),
            Err(mistakes) => wrong.append(mistakes),
        }
    }
    texts.sort();
    wrong.into_result(texts)
}

fn steps_are_safe(set: AmbiguitySettings, location: ValuePointerRef<'_>) -> Result<AmbiguitySettings, InvalidFields> {
    let mut wrong = InvalidFields::default();
    let place = json_pointer(location);
    if set.append_step == Ambiguity::LookUp {
        wrong.push(
            format!("{place}/append_step"),
            Refusal::new(
                "value",
                "Tra cứu hồ sơ không cho biết một bước xử lý đã được nhận hay chưa; dùng park.",
                "Looking a dossier up does not tell whether it has a step; use park.",
            ),
        );
    }
    if set.report == Ambiguity::LookUp {
        wrong.push(
            format!("{place}/report"),
            Refusal::new(
                "value",
                "Tra cứu hồ sơ không cho biết trạng thái đã được nhận hay chưa; dùng resend hoặc park.",
                "Looking a dossier up does not tell whether its status was taken; use resend or park.",
            ),
        );
    }
    if set.append_step == Ambiguity::Resend && !set.steps_are_deduplicated {
        wrong.push(
            format!("{place}/append_step"),
            Refusal::new(
                "value",
                "Gửi lại có thể nhân đôi bước xử lý; chỉ dùng khi steps_are_deduplicated = true.",
                "Resending may double a step; allowed only with steps_are_deduplicated = true.",
            ),
        );
    }
    wrong.into_result(set)
}

fn rule_says_something(rule: ReplyRule, location: ValuePointerRef<'_>) -> Result<ReplyRule, InvalidFields> {
    let place = json_pointer(location);
    if rule.codes.is_empty() && rule.phrases.is_empty() {
        let refusal = Refusal::new("required", "Cần codes hoặc phrases.", "Codes or phrases are needed.");
        return Err(InvalidFields::one(place, refusal));
    }
    if rule.phrases.iter().chain(&rule.unless).any(|phrase| phrase.trim().is_empty()) {
        let refusal = Refusal::new("value", "Có cụm từ rỗng.", "There is an empty phrase.");
        return Err(InvalidFields::one(place, refusal));
    }
    // A success by code alone would make an unknown reply a success: the portal's codes are not that certain.
    if rule.outcome == ReplyClass::Accepted && (rule.codes.is_empty() || rule.phrases.is_empty()) {
        let refusal =
            Refusal::new("required", "Thành công cần cả codes và phrases.", "A success needs both codes and phrases.");
        return Err(InvalidFields::one(place, refusal));
    }
    Ok(rule)
}

fn members_differ(
    set: SupplementPaperMembers,
    location: ValuePointerRef<'_>,
) -> Result<SupplementPaperMembers, InvalidFields> {
    let clash = set.name == set.count || set.name == set.form || (set.count == set.form && !set.count.is_empty());
    if !clash {
        return Ok(set);
    }
    let refusal = Refusal::new("value", "Hai trường trùng tên.", "Two members have the same name.");
    Err(InvalidFields::one(json_pointer(location), refusal))
}

fn session_ages_hold(set: SessionSettings, location: ValuePointerRef<'_>) -> Result<SessionSettings, InvalidFields> {
    if set.renew_before_ms >= 0 && set.max_age_ms > set.renew_before_ms {
        return Ok(set);
    }
    Err(InvalidFields::one(
        format!("{}/max_age_ms", json_pointer(location)),
        Refusal::new("value", "Phải lớn hơn renew_before_ms.", "Must be greater than renew_before_ms."),
    ))
}

fn set(text: String) -> Result<String, Refusal> {
    if text.is_empty() { Err(Refusal::new("required", "Chưa có giá trị.", "Not set.")) } else { Ok(text) }
}

fn set_secret(text: String) -> Result<Secret, Refusal> {
    set(text).map(Secret::new)
}

fn http_url(text: String) -> Result<Url, Refusal> {
    let url = Url::parse(&text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() && url.username().is_empty()
    });
    url.ok_or_else(|| {
        Refusal::new(
            "value",
            "Cần địa chỉ http hoặc https của máy chủ kết nối, ví dụ http://10.0.0.5:8080.",
            "The http or https address of the security server is needed, for example http://10.0.0.5:8080.",
        )
    })
}

fn agency(text: String) -> Result<String, Refusal> {
    AgencyCode::parse(&text).map(|code| code.original().to_owned())
}

fn header_text(text: String) -> Result<String, Refusal> {
    if is_header_text(&text) {
        Ok(text)
    } else {
        Err(Refusal::new("value", "Chỉ dùng ký tự ASCII.", "ASCII only."))
    }
}

fn unwrap_depth(levels: u8) -> Result<u8, Refusal> {
    if levels <= 5 { Ok(levels) } else { Err(Refusal::new("value", "Từ 0 đến 5.", "From 0 to 5.")) }
}

fn at_least_one(number: u64) -> Result<u64, Refusal> {
    if number > 0 { Ok(number) } else { Err(Refusal::new("value", "Phải lớn hơn 0.", "Must be greater than 0.")) }
}

fn some_rules(rules: Vec<ReplyRule>) -> Result<Vec<ReplyRule>, Refusal> {
    if rules.is_empty() {
        Err(Refusal::new("required", "Chưa có quy tắc.", "There are no rules."))
    } else {
        Ok(rules)
    }
}
