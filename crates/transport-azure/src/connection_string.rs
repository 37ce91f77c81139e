//! Connection strings as the portal shows them.

use crate::builder::ConfigError;
use crate::endpoint::Endpoint;
use crate::secret::Secret;

/// What a connection string says.
#[derive(Debug)]
pub(crate) struct ConnectionString {
    pub(crate) endpoint: Endpoint,
    pub(crate) entity_path: Option<String>,
    pub(crate) access: Access,
}

/// How it proves who one is.
#[derive(Debug)]
pub(crate) enum Access {
    Key { name: String, key: Secret },
    Signature(Secret),
}

const PARTS: &str = "Endpoint, SharedAccessKeyName, SharedAccessKey, SharedAccessSignature, EntityPath, \
                     UseDevelopmentEmulator";

impl ConnectionString {
    /// Reads `Endpoint=sb://…;SharedAccessKeyName=…;SharedAccessKey=…[;EntityPath=…]`, in any order.
    ///
    /// Errors name the part that is missing or wrong and never quote a value that may be secret.
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        let wrong = |what: String| ConfigError::ConnectionString(what);
        let mut parts = Parts::default();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            // What has no `=` may be the tail of a key that was cut apart: it is not quoted.
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| wrong("a part is not of the form `Name=value`".to_owned()))?;
            let slot = parts
                .slot(name.trim())
                .ok_or_else(|| wrong(format!("a part's name is not one of {PARTS}")))?;
            if slot.1.replace(value.trim().to_owned()).is_some() {
                return Err(wrong(format!("`{}` is there twice", slot.0)));
            }
        }
        let emulator = match parts.emulator.as_deref() {
            None => false,
            Some(value) if value.eq_ignore_ascii_case("true") => true,
            Some(value) if value.eq_ignore_ascii_case("false") => false,
            Some(_) => {
                return Err(wrong("`UseDevelopmentEmulator` is neither true nor false".into()));
            }
        };
        let endpoint = parts.endpoint.ok_or_else(|| wrong("`Endpoint` is missing".into()))?;
        let endpoint = Endpoint::parse(&endpoint, emulator).map_err(wrong)?;
        let access = match (parts.key_name, parts.key, parts.signature) {
            (Some(name), Some(key), None) if !name.is_empty() && !key.is_empty() => {
                Access::Key { name, key: Secret::new(key) }
            }
            (None, None, Some(signature)) if signature.starts_with("SharedAccessSignature ") => {
                Access::Signature(Secret::new(signature))
            }
            (None, None, Some(_)) => {
                let remedy =
                    "`SharedAccessSignature` does not begin with `SharedAccessSignature sr=`";
                return Err(wrong(remedy.into()));
            }
            (_, _, Some(_)) => {
                return Err(wrong(
                    "`SharedAccessSignature` stands beside `SharedAccessKeyName` or `SharedAccessKey`: \
                     give one or the other"
                        .into(),
                ));
            }
            (Some(name), None, None) if !name.is_empty() => {
                return Err(wrong("`SharedAccessKey` is missing".into()));
            }
            (None, Some(_), None) => return Err(wrong("`SharedAccessKeyName` is missing".into())),
            (None, None, None) => {
                return Err(wrong(
                    "`SharedAccessKeyName` and `SharedAccessKey` are missing (or `SharedAccessSignature`)"
                        .into(),
                ));
            }
            _ => {
                return Err(wrong("`SharedAccessKeyName` or `SharedAccessKey` is empty".into()));
            }
        };
        Ok(Self {
            endpoint,
            entity_path: parts.entity_path.filter(|path| !path.is_empty()),
            access,
        })
    }
}

#[derive(Default)]
struct Parts {
    endpoint: Option<String>,
    key_name: Option<String>,
    key: Option<String>,
    signature: Option<String>,
    entity_path: Option<String>,
    emulator: Option<String>,
}

impl Parts {
    fn slot(&mut self, name: &str) -> Option<(&'static str, &mut Option<String>)> {
        Some(match name.to_ascii_lowercase().as_str() {
            "endpoint" => ("Endpoint", &mut self.endpoint),
            "sharedaccesskeyname" => ("SharedAccessKeyName", &mut self.key_name),
            "sharedaccesskey" => ("SharedAccessKey", &mut self.key),
            "sharedaccesssignature" => ("SharedAccessSignature", &mut self.signature),
            "entitypath" => ("EntityPath", &mut self.entity_path),
            "usedevelopmentemulator" => ("UseDevelopmentEmulator", &mut self.emulator),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "hunter2hunter2hunter2hunter2=";

    #[test]
    fn what_the_portal_shows_is_understood() {
        let text = format!(
            "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=app;SharedAccessKey={KEY};\
             EntityPath=invalidations"
        );
        let read = ConnectionString::parse(&text).unwrap();
        assert_eq!(read.endpoint.host(), "shop.servicebus.windows.net");
        assert_eq!(read.endpoint.amqp_port(), 5671);
        assert!(read.endpoint.is_encrypted());
        assert_eq!(read.entity_path.as_deref(), Some("invalidations"));
        let Access::Key { name, key } = read.access else { panic!("no key") };
        // A key ends with `=`, which does not end the value.
        assert_eq!((name.as_str(), key.reveal()), ("app", KEY));
    }

    #[test]
    fn an_emulator_is_plain_and_keeps_its_port() {
        let text = "UseDevelopmentEmulator=true;Endpoint=sb://localhost:5673;SharedAccessKeyName=a;\
                    SharedAccessKey=k;";
        let read = ConnectionString::parse(text).unwrap();
        assert!(!read.endpoint.is_encrypted());
        assert_eq!(read.endpoint.amqp_port(), 5673);
    }

    #[test]
    fn a_signature_replaces_the_key() {
        let text =
            "Endpoint=sb://h/;SharedAccessSignature=SharedAccessSignature sr=x&sig=y&se=1&skn=n";
        let Access::Signature(signature) = ConnectionString::parse(text).unwrap().access else {
            panic!("no signature")
        };
        assert_eq!(signature.reveal(), "SharedAccessSignature sr=x&sig=y&se=1&skn=n");
    }

    #[test]
    fn errors_name_the_part_and_never_the_secret() {
        for (text, named) in [
            ("", "`Endpoint` is missing"),
            ("SharedAccessKeyName=a;SharedAccessKey=hunter2", "`Endpoint` is missing"),
            ("Endpoint=sb://h/;SharedAccessKey=hunter2", "`SharedAccessKeyName` is missing"),
            ("Endpoint=sb://h/;SharedAccessKeyName=a", "`SharedAccessKey` is missing"),
            ("Endpoint=sb://h/", "`SharedAccessKeyName` and `SharedAccessKey` are missing"),
            ("Endpoint=sb://h/;SharedAccessKeyName=a;SharedAccessKey=", "is empty"),
            ("Endpoint=sb://h/;SharedAccessKeyName=a;hunter2", "`Name=value`"),
            (
                "Endpoint=sb://h/;SharedAccessKeyNam=a;SharedAccessKey=hunter2",
                "is not one of Endpoint",
            ),
            ("Endpoint=sb://h/;hunter2=;SharedAccessKeyName=a", "is not one of Endpoint"),
            ("Endpoint=sb://h/;SharedAccessSignature=hunter2", "does not begin with"),
            ("Endpoint=sb://h/;Endpoint=sb://h/", "`Endpoint` is there twice"),
            ("Endpoint=ftp://h/;SharedAccessKeyName=a;SharedAccessKey=hunter2", "sb://"),
            ("Endpoint=sb://;SharedAccessKeyName=a;SharedAccessKey=hunter2", "sb://"),
            (
                "Endpoint=sb://h/;SharedAccessKeyName=a;SharedAccessKey=hunter2;UseDevelopmentEmulator=yes",
                "neither true nor false",
            ),
            (
                "Endpoint=sb://h/;SharedAccessKeyName=a;SharedAccessKey=hunter2;SharedAccessSignature=\
                 SharedAccessSignature sr=hunter2",
                "one or the other",
            ),
        ] {
            let error = ConnectionString::parse(text).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn debug_hides_the_key() {
        let text = "Endpoint=sb://h/;SharedAccessKeyName=a;SharedAccessKey=hunter2";
        let read = ConnectionString::parse(text).unwrap();
        assert!(!format!("{read:?}").contains("hunter2"));
    }
}
