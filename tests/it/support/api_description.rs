//! The OpenAPI description, and whether responses conform to it.

use std::{cell::RefCell, collections::BTreeSet};

use headwater::queue::JobId;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::support::{client::Response, json, server::Serving};

/// Responses that any request may get, and that the description defines once.
const FOR_ANY: [u16; 5] = [400, 405, 408, 414, 431];

/// Responses of a resource with an ETag to a precondition or a range. They are described in words only: among
/// the responses of each operation they would hide the type of its content from generators of clients.
const FOR_ANY_WITH_TAG: [u16; 3] = [206, 412, 416];

/// The description as a server sends it, and the parts of it that responses have covered.
pub struct Description {
    whole: Value,
    seen: RefCell<BTreeSet<String>>,
}

impl Description {
    /// Fetches the description of a server.
    pub fn fetch(serving: &Serving) -> Self {
        let whole = json::json(&serving.get("/api/openapi.json", &[]), 200);
        Self { whole, seen: RefCell::default() }
    }

    /// The value at a JSON pointer (RFC 6901).
    pub fn at(&self, pointer: &str) -> &Value {
        self.whole.pointer(pointer).unwrap_or_else(|| panic!("nothing is described at {pointer}"))
    }

    /// The members of the object at a JSON pointer.
    pub fn members(&self, pointer: &str) -> &Map<String, Value> {
        self.at(pointer).as_object().expect("an object")
    }

    /// The templates of all targets, each with one of its methods.
    pub fn operations(&self) -> Vec<(String, String)> {
        let methods = self.members("/paths").iter().flat_map(|(path, item)| {
            let members = item.as_object().expect("an object").keys();
            let methods = members.filter(|member| *member != "parameters");
            methods.map(move |method| (method.to_uppercase(), path.clone()))
        });
        methods.collect()
    }

    /// The operation of a method and target.
    pub fn operation(&self, method: &str, path: &str) -> &Value {
        self.at(&format!("/paths/{}/{}", path.replace('/', "~1"), method.to_lowercase()))
    }

    /// The schema of the request body of an operation, if it has one.
    pub fn taken(&self, method: &str, path: &str) -> Option<&Value> {
        self.operation(method, path).pointer("/requestBody/content/application~1json/schema")
    }

    /// Resolves a reference; any other value is returned unchanged.
    pub fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(name) => self.at(name.strip_prefix('#').expect("in this document")),
            None => value,
        }
    }

    /// Checks status and schema of a response, and returns its content.
    #[track_caller]
    pub fn check(&self, method: &str, path: &str, response: &Response, status: u16) -> Value {
        let text = String::from_utf8_lossy(&response.body);
        assert_eq!(response.status, status, "{method} {path}: {text}");
        let described = &self.operation(method, path)["responses"];
        let entry = match described.get(status.to_string()) {
            Some(entry) => {
                self.seen.borrow_mut().insert(format!("{method} {path} {status}"));
                entry
            }
            None if FOR_ANY.contains(&status) => &described["default"],
            None if FOR_ANY_WITH_TAG.contains(&status) => {
                let told = self.at("/info/description").as_str().expect("a text");
                assert!(told.contains(&status.to_string()), "{status} is not described");
                assert_eq!(method, "GET", "{path}");
                return Value::Null;
            }
            None => panic!("{method} {path}: {status} is not described: {text}"),
        };
        let (content, result) = self.check_response(entry, response);
        result.unwrap_or_else(|why| panic!("{method} {path}: {status}: {why}\n{text}"));
        content
    }

    /// The content of a problem document that any request may get.
    #[track_caller]
    pub fn check_problem(&self, response: &Response, status: u16) -> Value {
        assert_eq!(response.status, status, "{response:?}");
        assert!(FOR_ANY.contains(&status), "{status}");
        let (content, result) =
            self.check_response(self.at("/components/responses/Problem"), response);
        result.unwrap_or_else(|why| panic!("{status}: {why}"));
        content
    }

    fn check_response(&self, entry: &Value, response: &Response) -> (Value, Result<(), String>) {
        let entry = self.resolve(entry);
        let content = match response.field("content-type") {
            Some(media_type) if media_type.ends_with("json") => {
                serde_json::from_slice(&response.body).unwrap_or_default()
            }
            _ => String::from_utf8_lossy(&response.body).into(),
        };
        let result = self.has_fields(entry, response).and_then(|()| {
            let Some(types) = entry["content"].as_object() else {
                return if response.body.is_empty() { Ok(()) } else { Err("content".into()) };
            };
            let media_type = response.field("content-type").unwrap_or_default();
            // The boundary differs each time.
            let essence = media_type.split("; boundary=").next().unwrap_or_default();
            let described = types.get(essence).ok_or_else(|| format!("{media_type} is another"))?;
            if essence == "text/event-stream" {
                // The schema describes one event.
                return Ok(());
            }
            described.get("schema").map_or(Ok(()), |schema| self.conforms(schema, &content))
        });
        (content, result)
    }

    fn has_fields(&self, entry: &Value, response: &Response) -> Result<(), String> {
        for (name, field) in entry["headers"].as_object().into_iter().flatten() {
            let field = self.resolve(field);
            match response.field(&name.to_ascii_lowercase()) {
                Some(value) => self.conforms(&field["schema"], &number_or_text(value))?,
                None if field["required"] == true => return Err(format!("{name} is missing")),
                None => {}
            }
        }
        Ok(())
    }

    /// Validates a value against a schema. An unknown keyword is an error of the schema.
    pub fn conforms(&self, schema: &Value, value: &Value) -> Result<(), String> {
        for (keyword, constraint) in schema.as_object().ok_or("this is no schema")? {
            let is_valid = match keyword.as_str() {
                "$ref" => {
                    self.conforms(self.resolve(schema), value)?;
                    self.seen.borrow_mut().insert(constraint.as_str().expect("a name").to_owned());
                    true
                }
                "type" => list(constraint).iter().any(|name| has_type(value, name)),
                "const" => value == constraint,
                "enum" => list(constraint).contains(value),
                "minimum" => {
                    value.as_f64().is_none_or(|number| Some(number) >= constraint.as_f64())
                }
                "maximum" => {
                    value.as_f64().is_none_or(|number| Some(number) <= constraint.as_f64())
                }
                "pattern" => value.as_str().is_none_or(|text| matches_pattern(text, constraint)),
                "format" => value.as_str().is_none_or(|text| has_format(text, constraint)),
                "required" => value.as_object().is_none_or(|members| {
                    let mut names = list(constraint).iter().filter_map(Value::as_str);
                    names.all(|name| members.contains_key(name))
                }),
                "properties" => {
                    for (name, described) in constraint.as_object().into_iter().flatten() {
                        if let Some(member) = value.get(name) {
                            self.conforms(described, member)
                                .map_err(|why| format!("{name}: {why}"))?;
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    assert_eq!(*constraint, Value::Bool(false));
                    let known = &schema["properties"];
                    let mut names = value.as_object().into_iter().flatten();
                    names.all(|(name, _)| known.get(name).is_some())
                }
                "items" => {
                    for item in value.as_array().into_iter().flatten() {
                        self.conforms(constraint, item)?;
                    }
                    true
                }
                "oneOf" => {
                    let tried = list(constraint).iter().map(|one| self.conforms(one, value));
                    let (fits, others): (Vec<_>, Vec<_>) = tried.partition(Result::is_ok);
                    if fits.len() != 1 {
                        return Err(format!("it is {} of these: {others:?}", fits.len()));
                    }
                    true
                }
                // Annotations for readers and code generators.
                "description" | "default" | "discriminator" => true,
                _ => return Err(format!("unknown keyword {keyword}")),
            };
            if !is_valid {
                return Err(format!("{value} violates {keyword}: {constraint}"));
            }
        }
        Ok(())
    }

    /// The described statuses and schemas that no response has covered.
    pub fn unseen(&self) -> Vec<String> {
        let statuses = self.operations().into_iter().flat_map(|(method, path)| {
            let responses = self.operation(&method, &path)["responses"].as_object();
            let statuses = responses
                .expect("an object")
                .keys()
                .filter(|key| !["4XX", "default"].contains(&key.as_str()));
            statuses.map(|status| format!("{method} {path} {status}")).collect::<Vec<_>>()
        });
        let schemas = self
            .members("/components/schemas")
            .keys()
            .filter(|name| !self.is_sent_to_webhooks(name));
        let schemas = schemas.map(|name| format!("#/components/schemas/{name}"));
        let seen = self.seen.borrow();
        statuses.chain(schemas).filter(|described| !seen.contains(described)).collect()
    }

    /// Whether a schema describes the body of a webhook, which no response has.
    fn is_sent_to_webhooks(&self, name: &str) -> bool {
        let reference = format!("#/components/schemas/{name}");
        let content = "/post/requestBody/content/application~1json/schema/$ref";
        let mut webhooks = self.members("/webhooks").values();
        webhooks.any(|webhook| webhook.pointer(content).is_some_and(|it| *it == reference))
    }

    /// Objects that allow additional members, by their place.
    pub fn open_objects(&self) -> Vec<String> {
        let mut open = Vec::new();
        let mut rest = vec![(String::new(), &self.whole)];
        while let Some((place, value)) = rest.pop() {
            if value.get("properties").is_some() && value["additionalProperties"] != false {
                open.push(place.clone());
            }
            let members = value.as_object().into_iter().flatten();
            rest.extend(members.map(|(name, member)| (format!("{place}/{name}"), member)));
            let items = value.as_array().into_iter().flatten();
            rest.extend(items.map(|item| (format!("{place}/-"), item)));
        }
        open
    }
}

/// The names between back quotes in a sentence, except for the first.
pub fn names_behind_the_first(sentence: &str) -> BTreeSet<String> {
    sentence.split('`').skip(1).step_by(2).skip(1).map(str::to_owned).collect()
}

/// The known names of a parameter, from the message that refuses an unknown one.
pub fn names_of<T: DeserializeOwned>() -> BTreeSet<String> {
    let refused = serde_json::from_str::<T>("\"?\"").err().expect("no such name");
    names_behind_the_first(&refused.to_string())
}

/// The strings of an array.
pub fn names<'a>(values: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    values.into_iter().map(|value| value.as_str().expect("a name").to_owned()).collect()
}

/// Variants of a value that differ in one member: one missing, one too many, or one of another
/// type.
pub fn variants(of: &Value) -> Vec<Value> {
    let mut variants = vec![json!([]), json!("?"), Value::Null, of.clone()];
    for name in of.as_object().expect("an object").keys() {
        let mut without = of.clone();
        without.as_object_mut().expect("an object").remove(name);
        variants.push(without);
        let more = format!("{name}s");
        let others =
            ["[]", "{}", "null", "true", r#""?""#, "-1", "1.5", "1000", "1001", "4294967296"];
        for member in [name, &more] {
            for other in others {
                let mut with = of.clone();
                with[member.as_str()] = serde_json::from_str(other).expect("JSON");
                variants.push(with);
            }
        }
    }
    variants
}

/// A single value, or the values of an array.
fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

fn number_or_text(text: &str) -> Value {
    text.parse::<u64>().map_or_else(|_| text.into(), Value::from)
}

fn has_type(value: &Value, name: &Value) -> bool {
    match name.as_str().expect("a name") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("there is no type {other}"),
    }
}

fn matches_pattern(text: &str, pattern: &Value) -> bool {
    assert_eq!(pattern, "^[0-9a-f]{16}$", "no other pattern is known here");
    text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn has_format(text: &str, format: &Value) -> bool {
    match format.as_str().expect("a name") {
        "uuid" => text.len() == 36 && text.parse::<JobId>().is_ok(),
        "date-time" => text.ends_with('Z') && humantime::parse_rfc3339(text).is_ok(),
        "uri" => text.starts_with("http://") && !text.contains([' ', '"', '<']),
        other => panic!("no format {other} is known here"),
    }
}
