//! The portal as a sender for tests in the same process.
//! It must never offer more than the control pages do.

use super::{Outgoing, ProvinceSettings, SentMessage};
use crate::server::Sandbox;

impl Sandbox {
    /// Where messages go from now on, also those that are under way; none sends nothing.
    ///
    /// # Panics
    /// If the settings cannot be.
    pub fn set_province(&self, province: Option<ProvinceSettings>) {
        let mistakes = province.as_ref().map(ProvinceSettings::mistakes).unwrap_or_default();
        assert!(mistakes.is_empty(), "the province cannot be reached so: {}", mistakes.join("; "));
        self.office.set_province(province);
    }

    /// Takes a message for delivery and tells its number. A new dossier is held by the portal from now on, delivered or
    /// not. Must be called inside a runtime.
    pub fn send(&self, message: Outgoing) -> Result<u64, String> {
        // One message has one number.
        self.send_together(vec![message]).map(|ids| ids[0])
    }

    /// Takes all of the messages or none; their first attempts begin at the same moment.
    pub fn send_together(&self, messages: Vec<Outgoing>) -> Result<Vec<u64>, String> {
        self.office.send(messages)
    }

    /// Lets messages go that are held until released, at the same moment; false, and nothing happens, if one is not known.
    pub fn release(&self, ids: &[u64]) -> bool {
        self.office.release(ids)
    }

    /// Waits until nothing more will happen to the message. None if it is not known, or forgotten by a reset.
    pub async fn settled(&self, id: u64) -> Option<SentMessage> {
        self.office.settled(id).await
    }

    pub fn outgoing(&self) -> Vec<SentMessage> {
        self.office.page(0, usize::MAX)
    }
}
