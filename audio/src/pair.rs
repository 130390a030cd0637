//! Whether two channels carry the same sound ("dual mono"), found out while the samples pass, in constant memory.

/// Channels that correlate less are two; the value is the one that tools in the field use.
const LEAST_CORRELATION: f64 = 0.98;
/// The level difference of one sound on two channels is constant. Two voices that bleed into each other differ by more.
const MOST_SPREAD_DB: f64 = 1.5;
/// Fewer loud frames prove nothing: a tenth of a second.
const LEAST_FRAMES: u32 = 5;

/// What two channels have in common, over the frames in which either is loud.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pair {
    /// Of the frame that is passing: Σxy, Σxx, Σyy.
    frame: Products,
    /// Of all loud frames.
    loud: Products,
    frames: u32,
    difference_sum: f64,
    difference_squares: f64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Products {
    cross: f64,
    left: f64,
    right: f64,
}

impl Pair {
    pub(crate) fn take(&mut self, left: i16, right: i16) {
        let (left, right) = (f64::from(left), f64::from(right));
        self.frame.cross += left * right;
        self.frame.left += left * left;
        self.frame.right += right * right;
    }

    pub(crate) fn end_frame(&mut self, samples: u32, is_loud: bool) {
        let frame = std::mem::take(&mut self.frame);
        if !is_loud {
            return;
        }
        self.loud.cross += frame.cross;
        self.loud.left += frame.left;
        self.loud.right += frame.right;
        self.frames = self.frames.saturating_add(1);
        // a sample of 1 stands for nothing: no frame is quieter than that
        let least = f64::from(samples.max(1));
        let difference = 10.0 * (frame.left.max(least) / frame.right.max(least)).log10();
        self.difference_sum += difference;
        self.difference_squares += difference * difference;
    }

    /// Whether both are the same sound, perhaps louder on one, perhaps upside down.
    pub(crate) fn is_one(&self) -> bool {
        if self.frames < LEAST_FRAMES || self.loud.left <= 0.0 || self.loud.right <= 0.0 {
            return false;
        }
        let correlation = self.loud.cross / (self.loud.left * self.loud.right).sqrt();
        let count = f64::from(self.frames);
        let mean = self.difference_sum / count;
        let spread = (self.difference_squares / count - mean * mean).max(0.0).sqrt();
        correlation.abs() > LEAST_CORRELATION && spread < MOST_SPREAD_DB
    }
}
