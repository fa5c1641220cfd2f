//! `keys!` declares the keys of one mapping, each in one row. See `node_keys` for a table.

/// Declares the keys of one mapping, and makes of them:
///
/// - the typed struct, with a field for each key, documented by the row;
/// - its draft, which holds `None` for keys with a mistake, so that the other keys can still be judged;
/// - a struct of [`KeyInfo`](super::keys::KeyInfo)s by field, so that a misspelt key does not compile;
/// - a [`KeySet`](super::key_types::KeySet): the list of keys, the reader, and the comparison for a reload.
///
/// ```text
/// keys! {
///     /// What the mapping is.
///     Settings, Draft, Keys as CONST {
///         /// What the key means: shown in docs/CONFIG.md, in the schema and by rustdoc.
///         live yamlName | yamlNameFile => field: Type = "default",
///     by hand:
///         /// A key in the table that other code reads.
///         optional yamlName => field: ValueKind::List(...),
///     }
/// }
/// ```
///
/// `live` or `restart`: whether a running node applies a change (D17). `| yamlNameFile`: a secret may also stand in a
/// file of its own. Types are [`KeyType`](super::key_types::KeyType)s; `Option<...>` may be left out, and a key with
/// neither `Option` nor default is required.
macro_rules! keys {
    (
        $(#[doc = $doc:literal])+
        $Settings:ident, $Draft:ident, $Keys:ident as $KEYS:ident {
            $(
                $(#[doc = $about:literal])+
                $live:ident $name:ident $(| $file:ident)? => $field:ident: $kind:ty $(= $default:literal)?,
            )*
            $(by hand: $(
                $(#[doc = $hand_about:literal])+
                $presence:ident $hand_name:ident => $hand_field:ident: $hand_kind:expr,
            )+)?
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Settings {
            $(
                $(#[doc = $about])+
                pub $field: <$kind as $crate::config::key_types::RowType>::Value,
            )*
        }

        pub struct $Draft {
            $(pub $field: <$kind as $crate::config::key_types::RowType>::Draft,)*
        }

        pub struct $Keys {
            $(pub $field: $crate::config::keys::KeyInfo,)*
            $($(pub $hand_field: $crate::config::keys::KeyInfo,)+)?
        }

        pub static $KEYS: $Keys = $Keys::ALL;

        impl $Keys {
            const ALL: $Keys = $Keys {
                $($field: $crate::config::keys::KeyInfo {
                    name: stringify!($name),
                    kind: <$kind as $crate::config::key_types::RowType>::KIND,
                    default: keys!(@default $($default)?),
                    required: keys!(@required $($default)?)
                        && <$kind as $crate::config::key_types::RowType>::REQUIRED,
                    is_switch: <$kind as $crate::config::key_types::RowType>::IS_SWITCH,
                    live: keys!(@live $live),
                    about: $crate::config::keys::doc_text(concat!($($about),+)),
                    file_of: None,
                    file_key: keys!(@file $($file)?),
                },)*
                $($($hand_field: $crate::config::keys::KeyInfo {
                    name: stringify!($hand_name),
                    kind: $hand_kind,
                    default: None,
                    required: keys!(@presence $presence),
                    is_switch: false,
                    live: true,
                    about: $crate::config::keys::doc_text(concat!($($hand_about),+)),
                    file_of: None,
                    file_key: None,
                },)+)?
            };
        }

        impl $crate::config::key_types::KeySet for $Settings {
            type Draft = $Draft;

            const KEYS: &'static [$crate::config::keys::KeyInfo] = &[
                $(
                    $Keys::ALL.$field,
                    $($Keys::ALL.$field.in_file(
                        stringify!($file),
                        concat!("Reads `", stringify!($name), "` from a file."),
                        concat!("Reads `", stringify!($name), "` from files, one secret in each."),
                    ),)?
                )*
                $($($Keys::ALL.$hand_field,)+)?
            ];

            fn read(
                mapping: $crate::config::mapping::Mapping<'_>,
                report: &mut $crate::config::diagnostics::DiagnosticSink,
            ) -> $Draft {
                $Draft {
                    $($field: <$kind as $crate::config::key_types::RowType>::read(
                        mapping.key(&$KEYS.$field), report,
                    ),)*
                }
            }

            fn finish(draft: $Draft) -> Option<Self> {
                Some($Settings {
                    $($field: <$kind as $crate::config::key_types::RowType>::finish(draft.$field)?,)*
                })
            }

            fn changed_keys(&self, other: &Self) -> Vec<&'static $crate::config::keys::KeyInfo> {
                let mut changed = Vec::new();
                $(if self.$field != other.$field {
                    changed.push(&$KEYS.$field);
                })*
                changed
            }

            fn keep_until_restart(&mut self, running: &Self) {
                $(if !$KEYS.$field.live {
                    self.$field = running.$field.clone();
                })*
            }
        }
    };
    (@default) => { None };
    (@default $default:literal) => { Some($default) };
    (@required) => { true };
    (@required $default:literal) => { false };
    (@live live) => { true };
    (@live restart) => { false };
    (@presence required) => { true };
    (@presence optional) => { false };
    (@file) => { None };
    (@file $file:ident) => { Some(stringify!($file)) };
}
