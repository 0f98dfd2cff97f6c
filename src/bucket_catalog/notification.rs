//! Notifications of buckets: the records of S3, plain or in the envelope of SNS or EventBridge.

use percent_encoding::percent_decode_str;
use serde_json::Value;

/// An object that may have changed.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ObjectEvent {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key.
    pub key: String,
}

/// What a notification says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Notification {
    /// These objects may have changed; none in a test of the connection.
    Objects(Vec<ObjectEvent>),
    /// SNS asks for the confirmation of a subscription: open this URL to confirm.
    Confirmation(String),
}

/// Why a text is no notification.
#[derive(Debug, thiserror::Error)]
pub enum NotificationError {
    /// It is no JSON.
    #[error("invalid JSON body: {0}")]
    Json(#[from] serde_json::Error),
    /// It has no form that is known.
    #[error("no notification of S3: expected Records, or the envelope of SNS or EventBridge")]
    UnknownForm,
}

impl Notification {
    /// Parses a notification.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(content: &[u8]) -> Result<Self, NotificationError> {
        let message: Value = serde_json::from_slice(content)?;
        match (text(&message, "/Type"), text(&message, "/Message")) {
            // Its URL would subscribe again.
            (Some("UnsubscribeConfirmation"), _) => Ok(Self::Objects(Vec::new())),
            (Some("SubscriptionConfirmation"), _) => {
                let url = text(&message, "/SubscribeURL").unwrap_or_default();
                Ok(Self::Confirmation(url.to_owned()))
            }
            (Some("Notification"), Some(inner)) => objects(&serde_json::from_str(inner)?),
            _ => objects(&message),
        }
    }
}

/// The objects of a notification without the envelope of SNS.
fn objects(message: &Value) -> Result<Notification, NotificationError> {
    if let Some(records) = message.get("Records").and_then(Value::as_array) {
        let events = records.iter().flat_map(of_record).collect();
        return Ok(Notification::Objects(events));
    }
    if let Some(detail) = message.get("detail") {
        // EventBridge does not encode keys.
        let event = text(detail, "/bucket/name").zip(text(detail, "/object/key"));
        let event = event.map(|(bucket, key)| event_of(bucket, key));
        return Ok(Notification::Objects(event.into_iter().collect()));
    }
    match text(message, "/Event") {
        Some("s3:TestEvent") => Ok(Notification::Objects(Vec::new())),
        _ => Err(NotificationError::UnknownForm),
    }
}

/// The objects that a record may be about. AWS encodes keys as forms do, and Ceph does not encode them: if these
/// are different keys, both are looked at.
fn of_record(record: &Value) -> Vec<ObjectEvent> {
    let names = text(record, "/s3/bucket/name").zip(text(record, "/s3/object/key"));
    let Some((bucket, key)) = names else { return Vec::new() };
    let spaced = key.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    let decoded = decoded.ok().filter(|decoded| decoded != key);
    let decoded = decoded.map(|decoded| event_of(bucket, &decoded));
    decoded.into_iter().chain([event_of(bucket, key)]).collect()
}

fn event_of(bucket: &str, key: &str) -> ObjectEvent {
    ObjectEvent { bucket: bucket.to_owned(), key: key.to_owned() }
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer)?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(message: &Value) -> Vec<String> {
        match Notification::parse(message.to_string().as_bytes()) {
            Ok(Notification::Objects(events)) => {
                assert!(events.iter().all(|event| event.bucket == "media"), "{events:?}");
                events.into_iter().map(|event| event.key).collect()
            }
            parsed => panic!("{message}: {parsed:?}"),
        }
    }

    fn record(key: &str) -> Value {
        let s3 = json!({ "bucket": { "name": "media" }, "object": { "key": key, "size": 1 } });
        json!({ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3 })
    }

    #[test]
    fn records_come_plain_and_in_the_envelopes_of_sns_and_eventbridge() {
        let records = json!({ "Records": [record("a.mp4"), record("films/b.mp4")] });
        assert_eq!(keys(&records), ["a.mp4", "films/b.mp4"]);
        let wrapped = json!({ "Type": "Notification", "Message": records.to_string() });
        assert_eq!(keys(&wrapped), ["a.mp4", "films/b.mp4"]);
        let bridged = json!({
            "source": "aws.s3", "detail-type": "Object Deleted",
            "detail": { "bucket": { "name": "media" }, "object": { "key": "a+b %41.mp4" } }
        });
        assert_eq!(keys(&bridged), ["a+b %41.mp4"], "it is not encoded there");
        // RustFS adds members, and encodes slashes, too.
        let more =
            json!({ "EventName": "s3:x", "Key": "media/a", "Records": [record("a%2Fb.mp4")] });
        assert_eq!(keys(&more)[0], "a/b.mp4");
    }

    #[test]
    fn an_encoded_key_is_decoded_and_may_be_plain_all_the_same() {
        let key = |key: &str| keys(&json!({ "Records": [record(key)] }));
        assert_eq!(key("red+flower.mp4"), ["red flower.mp4", "red+flower.mp4"]);
        assert_eq!(key("%C3%BC%2B.mp4"), ["ü+.mp4", "%C3%BC%2B.mp4"]);
        assert_eq!(key("ü.mp4"), ["ü.mp4"]);
        assert_eq!(key("100%.mp4"), ["100%.mp4"]);
        assert_eq!(key("%FF.mp4"), ["%FF.mp4"], "no text");
    }

    #[test]
    fn a_test_has_no_objects_and_a_confirmation_has_a_url() {
        assert_eq!(keys(&json!({ "Service": "Amazon S3", "Event": "s3:TestEvent" })), [""; 0]);
        assert_eq!(keys(&json!({ "Records": [{}, null, { "s3": { "object": 1 } }] })), [""; 0]);
        let asks =
            json!({ "Type": "SubscriptionConfirmation", "SubscribeURL": "https://sns.example/x" });
        let ended =
            json!({ "Type": "UnsubscribeConfirmation", "SubscribeURL": "https://sns.example/x" });
        assert_eq!(keys(&ended), [""; 0]);
        let parsed = Notification::parse(asks.to_string().as_bytes()).expect("a notification");
        assert_eq!(parsed, Notification::Confirmation("https://sns.example/x".to_owned()));
    }

    #[test]
    fn what_is_no_notification_is_an_error() {
        let wrapped = json!({ "Type": "Notification", "Message": "hello" }).to_string();
        for content in ["", "[]", "1", "{}", r#"{"Records":1}"#, r#"{"Event":"x"}"#, &wrapped] {
            assert!(Notification::parse(content.as_bytes()).is_err(), "{content}");
        }
    }
}
