//! Secrets for a tool: on the command line, where every user of the machine can read them in the list of processes, or
//! better in a file (`@FILE`), on standard input (`@-`), or in a variable.

use std::convert::Infallible;
use std::path::Path;
use std::str::FromStr;
use std::sync::OnceLock;
use std::{fmt, io};

use crate::config::{Environment, SecretFileError, read_secret, read_secret_file};
use crate::console::{Failure, shell_quote};

/// The unparsed value of a flag. No error message contains it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl FromStr for SecretText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A secret, and where it came from.
#[derive(Debug)]
pub(super) struct SecretArgument<'a> {
    pub(super) text: SecretText,
    /// The flag or variable.
    pub(super) name: &'a str,
    /// The flag that gives another tool the same secret without showing it: one with `@FILE`, or none for a variable.
    /// `None`: the secret was on the command line.
    pub(super) repeat_flag: Option<String>,
}

impl SecretArgument<'_> {
    /// Parses the secret. The error names the flag or variable.
    pub(super) fn parse<T, E: fmt::Display>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Failure> {
        parse(&self.text.0).map_err(|error| Failure::Usage(format!("{}: {error}", self.name)))
    }
}

/// The value of the flag, else of the variable, or the content that its `@` refers to.
pub(super) fn read_secret_argument<'a>(
    flag: (&'a str, Option<&SecretText>),
    variable: &'a str,
    environment: &Environment,
) -> Result<Option<SecretArgument<'a>>, Failure> {
    let of_variable = || environment.get(variable).filter(|text| !text.is_empty()).cloned();
    let (name, text) = match flag {
        (flag, Some(text)) => (flag, text.0.clone()),
        (_, None) => match of_variable() {
            Some(text) => (variable, text),
            None => return Ok(None),
        },
    };
    let repeat_flag = match (flag.1, text.starts_with('@')) {
        (None, _) => Some(String::new()),
        (Some(_), true) => Some(format!(" {name} {}", shell_quote(&text))),
        (Some(_), false) => None,
    };
    let read = match text.strip_prefix('@') {
        None => Ok(text),
        Some("-") => read_stdin(name),
        Some(path) => read_file(Path::new(path)).map_err(|error| error.to_string()),
    };
    let secret = read.map_err(|error| Failure::Usage(format!("{name}: {error}")))?;
    Ok(Some(SecretArgument { text: SecretText(secret), name, repeat_flag }))
}

/// The flag or variable that has read standard input, which can be read only once.
static STDIN_READ_BY: OnceLock<String> = OnceLock::new();

fn read_stdin(name: &str) -> Result<String, String> {
    if STDIN_READ_BY.set(name.to_owned()).is_err() {
        let first = STDIN_READ_BY.get().map_or("", String::as_str);
        return Err(format!(
            "standard input can be read only once, and {first} has read it; give one of them as @FILE"
        ));
    }
    read_secret(io::stdin().lock()).map_err(|error| match error {
        SecretFileError::Empty => "standard input is empty".to_owned(),
        error => error.to_string(),
    })
}

/// A tool may also read a pipe, as in `@<(pass show token)`.
fn read_file(path: &Path) -> Result<String, SecretFileError> {
    match read_secret_file(path) {
        Err(SecretFileError::NotAFile) if !path.is_dir() => match std::fs::File::open(path) {
            Ok(file) => read_secret(file),
            Err(error) => Err(SecretFileError::Io(error.kind())),
        },
        read => read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flag_then_variable_and_files_of_both() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "hunter2\n").unwrap();
        let at = format!("@{}", path.display());
        let again = |flag: Option<&str>, variable: &str| {
            let environment = Environment::from([("ILP_X".to_owned(), variable.to_owned())]);
            let flag = flag.map(|text| text.parse::<SecretText>().unwrap());
            read_secret_argument(("--x", flag.as_ref()), "ILP_X", &environment)
                .unwrap()
                .unwrap()
                .repeat_flag
        };
        assert_eq!(again(Some("abc"), "def"), None);
        assert_eq!(again(Some(&at), ""), Some(format!(" --x {}", shell_quote(&at))));
        assert_eq!(again(None, "def"), Some(String::new()));
        assert_eq!(again(None, &at), Some(String::new()));
        let check = |flag: Option<&str>, variable: &str, expected: Result<Option<&str>, &str>| {
            let environment = Environment::from([("ILP_X".to_owned(), variable.to_owned())]);
            let flag = flag.map(|text| text.parse::<SecretText>().unwrap());
            let found = read_secret_argument(("--x", flag.as_ref()), "ILP_X", &environment);
            let found = found.map(|given| given.map(|given| given.text.0));
            let found = found.map_err(|failure| failure.to_string());
            assert_eq!(found, expected.map(|text| text.map(str::to_owned)).map_err(str::to_owned));
        };
        check(Some("abc"), "def", Ok(Some("abc")));
        check(None, "def", Ok(Some("def")));
        check(None, "", Ok(None));
        check(Some(&at), "", Ok(Some("hunter2")));
        check(None, &at, Ok(Some("hunter2")));
        check(Some("@/nowhere/x"), "", Err("--x: the file cannot be read: no such file"));
        check(None, "@/", Err("ILP_X: this is not a regular file"));
    }

    #[test]
    fn no_secret_is_shown() {
        let given =
            SecretArgument { text: SecretText("hunter2".into()), name: "--x", repeat_flag: None };
        assert!(!format!("{given:?}").contains("hunter2"));
        let failure = given.parse(|_| Err::<(), _>("is no URL")).unwrap_err();
        assert_eq!(failure.to_string(), "--x: is no URL");
    }
}
