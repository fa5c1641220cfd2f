//! Hides words that look like generated secrets in texts that people typed: a token may end up as a name, a path or an
//! address by mistake, and no list of known secrets contains it then.

use crate::wire::Address;

const MASK: &str = "***";

/// Replaces those words in `text`, also within names, addresses and paths.
pub fn mask_random_words(text: String) -> String {
    let end = |c: char| !(c.is_ascii_alphanumeric() || "+/=_~-".contains(c));
    if !text.split(end).any(is_random) {
        return text;
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (word, behind) = rest.split_at(rest.find(end).unwrap_or(rest.len()));
        shown.push_str(if is_random(word) { MASK } else { word });
        let next = behind.find(|c| !end(c)).unwrap_or(behind.len());
        let (between, behind) = behind.split_at(next);
        shown.push_str(between);
        rest = behind;
    }
    shown
}

/// The same for texts of strangers, such as lines about packets: the tokens in ILP addresses are masked too, also those
/// that look like names.
pub fn mask_words_of_strangers(text: &str) -> String {
    let in_address = |c: char| c.is_ascii_alphanumeric() || "_~-.".contains(c);
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (run, behind) = rest.split_at(rest.find(|c| !in_address(c)).unwrap_or(rest.len()));
        let address = run.trim_end_matches('.');
        match address.parse::<Address>() {
            Ok(_) => shown.push_str(&mask_tokens(address)),
            Err(_) => shown.push_str(address),
        }
        let next = behind.find(in_address).unwrap_or(behind.len());
        let (between, behind) = behind.split_at(next);
        shown.push_str(&run[address.len()..]);
        shown.push_str(between);
        rest = behind;
    }
    mask_random_words(shown)
}

/// An ILP address without its long segments with capitals or digits, as the tokens of connections are.
fn mask_tokens(address: &str) -> String {
    const NAME_MAX: usize = 15;
    let is_token = |segment: &str| {
        segment.len() > NAME_MAX
            && segment.bytes().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    let segments = address.split('.').map(|one| if is_token(one) { MASK } else { one });
    segments.collect::<Vec<_>>().join(".")
}

/// Whether letters, capitals and digits alternate in a word as in hexadecimal, Base64 and generated passwords. Names
/// that people choose, even with numbers, and most UUIDs do not.
fn is_random(word: &str) -> bool {
    const SHORT: usize = 12;
    const LONG: usize = 16;
    const MIXED: usize = 20;
    const CHANGES: usize = 8;
    const CHANGE_OF: usize = 6;
    let changes = |text: &str| {
        let pairs = text.bytes().zip(text.bytes().skip(1));
        let changes = pairs.filter(|(a, b)| {
            (a.is_ascii_alphabetic() && b.is_ascii_digit())
                || (a.is_ascii_digit() && b.is_ascii_alphabetic())
                || (a.is_ascii_lowercase() && b.is_ascii_uppercase())
        });
        changes.count()
    };
    let has_digit = |text: &str| text.bytes().any(|byte| byte.is_ascii_digit());
    let run = |run: &str| {
        run.len() >= SHORT && has_digit(run) && changes(run) >= (run.len() / CHANGE_OF).max(3)
    };
    let has_lower = |text: &str| text.bytes().any(|byte| byte.is_ascii_lowercase());
    let has_upper = |text: &str| text.bytes().any(|byte| byte.is_ascii_uppercase());
    word.split(|c: char| !c.is_ascii_alphanumeric()).any(run)
        || (word.len() >= MIXED && has_digit(word) && has_lower(word) && has_upper(word))
        || (word.len() >= LONG && has_digit(word) && changes(word) >= CHANGES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_words_are_masked_and_names_are_not() {
        let check = |given: &str, expected: &str| {
            assert_eq!(mask_random_words(given.to_owned()), expected, "{given}");
        };
        for named in [
            "no such peer; peers: alice, node-2-eu-west-1, 550e8400-e29b-41d4-a716-446655440000",
            "set keepAliveIntervalMs, or BTP_PEER_B_2_SECRET, below 18446744073709551615",
            "openssl rand -hex 32, btp+wss://user:token@host2:3000, test2.alice.x86_64",
            "cannot read /run/secrets/tls2/chain3.pem and /tmp/.tmpO1TTaW/c.yaml: 10.0.0.17",
            "",
            "…",
        ] {
            check(named, named);
        }
        check("id = \"7f3ac91e5b08d264\": taken", "id = \"***\": taken");
        check("test.7f3ac91e5b08d264.é.x", "test.***.é.x");
        check("Qz7/xKv2RtW9+LmB4nYd8HsJ6gVcF3pU=", "***");
        check("test.n.wallet.9mV-COEdhPpmdRisYbaXUXYj", "test.n.wallet.***");
        check("(Xk29fPq81Lm)", "(Xk29fPq81Lm)");
        check("(Xk29fPq81LmZ)", "(***)");
    }

    #[test]
    fn each_token_in_an_address_is_masked() {
        for (given, expected) in [
            ("test.n.wallet.9mV-COEdhPpmdRisYbaXUXYj", "test.n.wallet.***"),
            ("test.n.wallet.hgfdsaqwerTzuiopyxcvbnml.x", "test.n.wallet.***.x"),
            ("test.guest~00000000000000000.a", "test.***.a"),
            ("g.our-first-exchange.shop-2.wallet", "g.our-first-exchange.shop-2.wallet"),
            (
                "{\"to\":\"test.n.wallet.hgfdsaqwerTzuiopyxcvbnml\"}: é test.hgfdsaqwerTzuiopyxcvbnml...",
                "{\"to\":\"test.n.wallet.***\"}: é test.***...",
            ),
            ("hgfdsaqwerTzuiopyxcvbnml is no address", "hgfdsaqwerTzuiopyxcvbnml is no address"),
        ] {
            assert_eq!(mask_words_of_strangers(given), expected);
        }
    }
}
