//! Every form of file that a telephone system writes, from half a second to three hours: copied whole, and told for what it is.

use callscribe_simulators::speech::{Encoding, Layout, Length, Rate};

use super::*;

const HALF_A_SECOND: Duration = Duration::from_millis(500);

/// Every combination that a header can tell.
fn shapes() -> Vec<Shape> {
    let mut shapes = vec![Shape::ULAW];
    let mut multiply = |change: &dyn Fn(Shape) -> Vec<Shape>| shapes = shapes.iter().copied().flat_map(change).collect();
    multiply(&|shape| [Encoding::ULaw, Encoding::ALaw, Encoding::Pcm16].map(|encoding| Shape { encoding, ..shape }).to_vec());
    multiply(&|shape| [Layout::Stereo, Layout::Mono].map(|layout| Shape { layout, ..shape }).to_vec());
    multiply(&|shape| [Rate::Hz8000, Rate::Hz16000].map(|rate| Shape { rate, ..shape }).to_vec());
    multiply(&|shape| [false, true].map(|extensible| Shape { extensible, ..shape }).to_vec());
    multiply(&|shape| [DataSize::True, DataSize::Zero, DataSize::Max].map(|data_size| Shape { data_size, ..shape }).to_vec());
    shapes
}

/// What must be told of a file of this form: codec, samples a second, channels, flags.
fn told(shape: Shape) -> String {
    let codec = match shape.encoding {
        Encoding::Pcm16 => "pcm",
        Encoding::ULaw => "mulaw",
        Encoding::ALaw => "alaw",
    };
    let rate = if shape.rate == Rate::Hz16000 { 16_000 } else { 8_000 };
    let channels = if shape.layout == Layout::Mono { 1 } else { 2 };
    let flags = if shape.data_size == DataSize::True { "" } else { "streamed_header" };
    format!("{codec} {rate} {channels} [{flags}]")
}

/// The one recording of a call: whether its bytes are those of the vendor, and what was read from them.
async fn stored(stage: &Stage, number: u32) -> (bool, String) {
    let truth = stage.webex.truth_at(number).unwrap();
    let of_call =
        |what: &str| format!("SELECT coalesce(max({what}), 'none') AS text FROM call_recordings WHERE session_id = '{}'", truth.session_id);
    let bytes = stage.text(&of_call("status || ' ' || sha256 || ' ' || size_bytes")).await;
    let form = "codec || ' ' || sample_rate_hz || ' ' || channels || ' [' || array_to_string(flags, ',') || ']'";
    let whole = format!("stored {} {}", truth.sha256().unwrap(), truth.size_bytes().unwrap());
    (bytes == whole, stage.text(&of_call(form)).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_second_in_every_form_of_file_is_stored_whole_and_told_for_what_it_is() {
    let shapes = shapes();
    assert_eq!(shapes.len(), 72);
    let minutes_ago = |number: u64| Duration::from_mins(600 - number);
    let call = |(number, shape): (u64, &Shape)| CallSpec { shape: *shape, ..CallSpec::ago(minutes_ago(number)).speaking(HALF_A_SECOND) };
    let stage = Stage::with((0..).zip(&shapes).map(call).collect()).await;
    for _ in &shapes {
        assert_eq!(stage.run().await, done());
    }
    for (number, shape) in (0..).zip(&shapes) {
        assert_eq!(stored(&stage, number).await, (true, told(*shape)), "{shape:?}");
    }
    let millisecond = stage.text("SELECT string_agg(DISTINCT duration_ms::text, ',') AS text FROM call_recordings").await;
    assert_eq!(millisecond, "500", "the length is that of the bytes, whatever the header says");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hours_of_silence_are_stored_whole() {
    let hours = Duration::from_hours(3);
    let shape = Shape { layout: Layout::Mono, ..Shape::ULAW };
    let silence = CallSpec { lasts: hours, audio: Length::Silent(hours), shape, ..CallSpec::ago(Duration::from_hours(5)) };
    let stage = Stage::built(WebexPlan::new(SEED, vec![silence]), 200_000_000).await;
    assert_eq!(stage.run().await, done());
    assert_eq!(stored(&stage, 0).await, (true, told(shape)));
    assert_eq!(stage.text("SELECT duration_ms::text AS text FROM call_recordings").await, "10800000");
}

#[tokio::test]
async fn a_vendor_clock_five_minutes_off_either_way_signs_links_that_are_taken() {
    for minutes in [-5, 5] {
        let skew = Fault::ClockSkew(chrono::TimeDelta::minutes(minutes));
        let stage = Stage::built(WebexPlan::new(SEED, vec![call()]).with(skew, When::Always), LARGEST_BYTES).await;
        assert_eq!(stage.run().await, done(), "{minutes} minutes");
        assert!(stored(&stage, 0).await.0, "{minutes} minutes");
    }
}
