//! What a manifest must say, and each refusal.

use super::*;

/// A manifest that is taken.
const GOOD: &str = r#"format = 2
name = "hosted-x"
version = "0.1.0"
task = "rim"
where = "hosted"
role = "second"
shape = "gemini"
model = "gemini-3.8-flash"
key_file = "/etc/courtside/look.key"
deadline_ms = 6000
cap_usd_a_day = 2.0
[price]
date = "2026-11-28"
input_usd_a_million = 0.75
output_usd_a_million = 3.75
[provenance]
figures = ["none yet"]
"#;

fn parse(text: &str) -> Result<Hosted, HostedRefused> {
    Hosted::parse("hosted-x", Path::new("models/hosted-x/model.toml"), text)
}

#[test]
fn what_is_not_said_is_as_usual() {
    let hosted = parse(GOOD).expect("taken");
    assert!(is_hosted(GOOD) && !is_hosted("format = 2") && !is_hosted("where ="));
    assert_eq!(hosted.address.told(), Shape::Gemini.address());
    assert_eq!((hosted.prompt.as_str(), hosted.ask_below), (PROMPT, 9_000));
    assert_eq!(hosted.price.input, Money::nanos(750));
    assert_eq!(hosted.patience(), Duration::from_secs(6));
    let tokens = Tokens { input: 1_200 + PROMPT.len() as u64 + 1_000, output: 1_000 };
    assert_eq!(hosted.worst(), hosted.price.of(tokens));
    let day = UtcTime::from_rfc3339("2027-01-27T00:00:00Z").expect("a time");
    assert_eq!(hosted.price_age_days(day), 60);
}

#[test]
fn one_line_exchanges_the_shape() {
    for shape in Shape::ALL {
        let line = format!("shape = \"{}\"", shape.word());
        let hosted = parse(&GOOD.replace("shape = \"gemini\"", &line)).expect("taken");
        assert_eq!((hosted.shape, hosted.address.told()), (shape, shape.address().to_owned()));
    }
    let local = GOOD.replace(
        "key_file = \"/etc/courtside/look.key\"",
        "address = \"http://10.0.0.7:8000/v1/\"",
    );
    let hosted = parse(&local).expect("a server of one's own wants no key");
    assert_eq!(hosted.address.told(), "http://10.0.0.7:8000/v1");
}

#[test]
fn every_refusal_says_what_to_do() {
    let with = |from: &str, to: &str| {
        assert!(GOOD.contains(from), "{from}");
        GOOD.replace(from, to)
    };
    let price = "input_usd_a_million = 0.75";
    let rows = [
        "where".to_owned(),
        with("where = \"hosted\"\n", ""),
        with("\"hosted\"", "\"mars\""),
        with("format = 2", "format = 3"),
        with("\"hosted-x\"", "\"other\""),
        with("\"0.1.0\"", "\"1\""),
        with("\"rim\"", "\"ring\""),
        with("\"second\"", "\"third\""),
        with("\"gemini\"", "\"telepathy\""),
        with("gemini-3.8-flash", "../../v1/files"),
        with("gemini-3.8-flash", ""),
        with("key_file", "address = \"ftp://x\"\nkey_file"),
        with("key_file", "address = \"https://user:secret@x/v1\"\nkey_file"),
        with("key_file", "address = \"https://x/v1?key=secret\"\nkey_file"),
        with("key_file", "address = \"http://10.0.0.7:8000/v1\"\nkey_file"),
        with("6000", "100"),
        with("6000", "60001"),
        with("\"second\"", "\"live\""),
        with("2.0", "-1"),
        with("2.0", "0.001"),
        with("2.0", "nan"),
        with("key_file", "most_output_tokens = 1\nkey_file"),
        with("key_file", "effort = \"max\"\nkey_file"),
        with("key_file", "ask_below = 0.4\nkey_file"),
        with("key_file", "prompt = \" \"\nkey_file"),
        with("2026-11-28", "28.11.2026"),
        with(price, "input_usd_a_million = inf"),
        with(price, "image_tokens = 1\ninput_usd_a_million = 0.75"),
        with(price, "inptu = 0.75"),
        with("deadline_ms = 6000\n", ""),
    ];
    let said: Vec<String> =
        rows.iter().map(|text| parse(text).expect_err(text).to_string()).collect();
    assert!(said.iter().all(|said| !said.contains("secret")), "{said:#?}");
    insta::assert_snapshot!(said.join("\n"));
}
