//! Every delivery of a webhook conforms to the description.

use std::collections::BTreeSet;

use headwater::{config::WebhookEvent, queue::Retry, transcode::Operation};
use serde_json::Value;

use super::responses::spec;
use crate::support::{
    api_description::{Description, names_of},
    folder::Folder,
    jobs::{claim, queue},
    server::serve_with,
    streams::put_sample,
    wait::block_on,
    webhook_receiver::{self, WebhookReceiver},
};

#[test]
fn every_webhook_delivery_conforms() {
    let folder = Folder::new();
    put_sample(&folder, "Clock.mp4", "library/films/film.mp4");
    let receiver = WebhookReceiver::responding(&["204 No Content"]);
    let known = names_of::<WebhookEvent>();
    let events: Vec<_> = known.iter().map(|event| format!("\"{event}\"")).collect();
    let lines = webhook_receiver::configured(&folder, &receiver.url, &events.join(", "));
    let serving = serve_with(&[folder.path("library")], &lines);
    let description = Description::fetch(&serving);
    assert_eq!(description.members("/webhooks").keys().cloned().collect::<BTreeSet<_>>(), known);
    let queue = queue(&serving);
    let mut told_of = BTreeSet::new();
    for (operation, fails) in [
        (Operation::Audio { track: 1 }, false),
        (Operation::Remux, false),
        (Operation::Storyboard, true),
    ] {
        block_on(queue.enqueue(spec(operation).submission())).expect("a database");
        let lease = claim(&queue);
        let ended = match fails {
            true => block_on(queue.fail(&lease, "it broke", Retry::Never)),
            false => block_on(queue.finish(&lease, &[])),
        };
        assert!(ended.expect("a database"));
        let delivery = receiver.next();
        let data = delivery.data();
        let event = data["type"].as_str().expect("an event");
        let described = description.at(&format!("/webhooks/{event}/post"));
        let schema = &described["requestBody"]["content"]["application/json"]["schema"];
        description.conforms(schema, &data).expect("it conforms");
        for parameter in described["parameters"].as_array().expect("a list") {
            let parameter = description.resolve(parameter);
            let value = delivery.field(parameter["name"].as_str().expect("a name"));
            let value = value.parse::<u64>().map_or_else(|_| value.into(), Value::from);
            description.conforms(&parameter["schema"], &value).expect("it conforms");
        }
        told_of.insert(event.to_owned());
    }
    assert_eq!(told_of, known);
}
