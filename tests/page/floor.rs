//! The painted floor, clicked at the page of a real box while its camera publishes: laid, refused, stored.

use serde_json::json;

use super::Browser;
use super::real::Boxed;

/// Of a picture of 854 x 480.
const POINTS: [(&str, f64, f64); 5] = [
    ("key-left", 280.0, 220.0),
    ("key-right", 546.0, 222.0),
    ("elbow-left", 244.0, 346.0),
    ("elbow-right", 601.0, 350.0),
    ("throw-left", 287.0, 347.0),
];
const SAYS: &str = "document.querySelector('#floor .said').textContent";
const LINES: &str = "document.querySelectorAll('#floor .floor-line').length";

#[test]
fn a_floor_is_clicked_on_the_picture_refused_where_it_cannot_be_and_stored() {
    let boxed = Boxed::start();
    let _camera = boxed.plays();
    let url = format!("http://{}/", boxed.http);
    let Some(mut browser) = Browser::open(&url, (1920, 1080)) else { return };
    browser.until("document.querySelector('.picture img').naturalWidth === 854");
    browser.value("document.querySelector('.lay').click()");
    browser.until("document.querySelector('#floor .canvas img').naturalWidth === 854");
    browser.until("document.querySelectorAll('#floor .points li').length === 29");
    browser.until("document.querySelector('#floor .canvas svg').viewBox.baseVal.width === 854");
    let place = browser.value(
        "(({x, y, width, height}) => [x, y, width, height])(document.querySelector('#floor .canvas svg').getBoundingClientRect())",
    );
    let at = |index: usize| place[index].as_f64().expect("a number");
    let screen = |x: f64, y: f64| (at(0) + x / 854.0 * at(2), at(1) + y / 480.0 * at(3));

    // One after the other; the plan shows which, and the list says it.
    for (count, (name, x, y)) in POINTS.into_iter().enumerate() {
        browser
            .value(&format!("document.querySelector('#floor .points [data-name={name}]').click()"));
        browser.until(&format!(
            "document.querySelector('#floor .points [data-name={name}]').getAttribute('aria-pressed') === 'true'"
        ));
        browser.drag(screen(x, y), screen(x, y));
        browser.until(&format!(
            "document.querySelectorAll('#floor .floor-point').length === {}",
            count + 1
        ));
    }
    browser.until(&format!("{SAYS}.startsWith('The points fit within')"));
    browser.until(&format!("{LINES} >= 3"));
    browser.until("/ px · .* cm/.test(document.querySelector('#floor .points [data-name=elbow-left]').textContent)");
    browser.picture("floor-1920");

    // Dragged to where it cannot be: said which, and nothing can be stored.
    browser.drag(screen(280.0, 220.0), screen(700.0, 221.0));
    browser.until(&format!("{SAYS}.includes('key-left')"));
    browser.until("document.querySelector('#floor .store').disabled");
    assert_eq!(browser.value(LINES), json!(0));
    browser.picture("floor-refused-1920");
    browser.drag(screen(700.0, 221.0), screen(280.0, 220.0));
    browser.until("!document.querySelector('#floor .store').disabled");
    browser.resize((390, 844));
    browser.picture("floor-phone");
    browser.resize((1920, 1080));

    browser.value("document.querySelector('#floor .store').click()");
    browser.until(&format!("{SAYS}.startsWith('Stored')"));
    let stored = browser.value("fetch('/v1/courts/a/floor').then((answer) => answer.json())");
    let floor = &stored["floor"]["floor"];
    assert_eq!((&floor["plan"], &floor["of"]), (&json!("fiba"), &json!([854, 480])));
    for (name, x, y) in POINTS {
        let pixel = [0, 1].map(|k| floor["points"][name][k].as_f64().expect("a number"));
        assert!((pixel[0] - x).hypot(pixel[1] - y) < 1.5, "{name}: {pixel:?}");
    }
    // It is the configuration's, and what the page shows of it next time.
    let kept = browser.value("fetch('/v1/config').then((answer) => answer.json())");
    assert_eq!(kept["config"]["court"]["a"]["floor"]["plan"], json!("fiba"), "{kept}");
    browser.call("Page.reload", &json!({}));
    browser.until("!!document.querySelector('.lay')");
    let again = browser.value("fetch('/v1/courts/a/floor').then((answer) => answer.json())");
    assert_eq!(again, stored);
}
