//! Resizing as the Pillow library does it, pixel for pixel: a filter as wide as the image shrinks, across and then
//! down, with weights of 22 fractional bits and whole pixel values between the two. (From its version 13 on the library
//! goes down first where that spares it work, which moves a value by one here and there.)
//!
//! Only the pixels that are kept are computed: a crop of a resized image costs no more than the crop.

use std::f64::consts::PI;
use std::ops::Range;

use super::pixels::Pixels;

/// What a pixel is made of. The numbers are Pillow's, which `preprocessor_config.json` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    Nearest,
    Box,
    Bilinear,
    Hamming,
    Bicubic,
    Lanczos,
}

impl Filter {
    pub const fn numbered(number: u64) -> Option<Self> {
        Some(match number {
            0 => Self::Nearest,
            1 => Self::Lanczos,
            2 => Self::Bilinear,
            3 => Self::Bicubic,
            4 => Self::Box,
            5 => Self::Hamming,
            _ => return None,
        })
    }

    /// How far it reaches to each side, in pixels, where an image does not shrink.
    const fn support(self) -> f64 {
        match self {
            Self::Nearest => 0.0,
            Self::Box => 0.5,
            Self::Bilinear | Self::Hamming => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        /// The sharpness of the cubic filter.
        const A: f64 = -0.5;
        let far = x.abs();
        match self {
            // A pixel that lies between two goes to one of them.
            Self::Box if x > -0.5 && x <= 0.5 => 1.0,
            Self::Bilinear if far < 1.0 => 1.0 - far,
            Self::Hamming if far == 0.0 => 1.0,
            Self::Hamming if far < 1.0 => {
                let turn = far * PI;
                // The library writes these two numbers with 32 bits.
                turn.sin() / turn * (f64::from(0.54f32) + f64::from(0.46f32) * turn.cos())
            }
            Self::Bicubic if far < 1.0 => ((A + 2.0) * far - (A + 3.0)) * far * far + 1.0,
            Self::Bicubic if far < 2.0 => (((far - 5.0) * far + 8.0) * far - 4.0) * A,
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            _ => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let turn = x * PI;
    turn.sin() / turn
}

/// Eight bits of 32 hold a pixel's value, and two are left for filters that overshoot.
const FRACTION: u32 = 32 - 8 - 2;
const HALF: i32 = 1 << (FRACTION - 1);

/// The source pixels that make one, from the first on.
struct Window {
    first: usize,
    weights: Vec<i32>,
}

impl Window {
    fn range(&self) -> Range<usize> {
        self.first..self.first + self.weights.len()
    }
}

/// The part `keep` of an image that is resized to `width` and `height`.
///
/// # Panics
/// When a side is 0, or `keep` is empty or reaches outside of the resized image.
pub fn resize(image: &Pixels, width: usize, height: usize, keep: &Region, filter: Filter) -> Pixels {
    assert!(keep.x.end <= width && keep.y.end <= height && !keep.x.is_empty() && !keep.y.is_empty());
    if filter == Filter::Nearest {
        let columns = nearest(image.width, width, &keep.x);
        let rows = nearest(image.height, height, &keep.y);
        return pick(image, &columns, &rows);
    }
    // An axis that keeps its length is not filtered.
    let across = (width != image.width).then(|| windows(image.width, width, &keep.x, filter));
    let down = (height != image.height).then(|| windows(image.height, height, &keep.y, filter));
    let rows = down.as_ref().map_or_else(|| keep.y.clone(), |windows| reach(windows));
    let narrowed = match &across {
        Some(windows) => horizontal(image, rows.clone(), windows),
        None => image.part(&keep.x, &rows),
    };
    match &down {
        Some(windows) => vertical(&narrowed, rows.start, windows),
        None => narrowed,
    }
}

/// Columns and rows of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    pub x: Range<usize>,
    pub y: Range<usize>,
}

/// The source pixel of each wanted one of `to`. The step is added up as Pillow adds it, rounding included.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "lengths of images, and places inside of them"
)]
fn nearest(from: usize, to: usize, keep: &Range<usize>) -> Vec<usize> {
    let step = from as f64 / to as f64;
    let mut at = step * 0.5;
    let mut places = Vec::with_capacity(keep.len());
    for place in 0..keep.end {
        if place >= keep.start {
            places.push((at as usize).min(from - 1));
        }
        at += step;
    }
    places
}

fn pick(image: &Pixels, columns: &[usize], rows: &[usize]) -> Pixels {
    let mut rgb = Vec::with_capacity(rows.len() * columns.len() * 3);
    for row in rows {
        let (row, _) = image.row(*row).as_chunks::<3>();
        rgb.extend(columns.iter().flat_map(|column| row[*column]));
    }
    Pixels {
        width: columns.len(),
        height: rows.len(),
        rgb,
    }
}

/// What makes each wanted pixel of `to`.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "lengths of images, and places inside of them"
)]
fn windows(from: usize, to: usize, keep: &Range<usize>, filter: Filter) -> Vec<Window> {
    let step = from as f64 / to as f64;
    let stretch = step.max(1.0);
    let reach = filter.support() * stretch;
    let narrow = 1.0 / stretch;
    let window = |place: usize| {
        let center = (place as f64 + 0.5) * step;
        // Both are cut off towards zero, so that a bound below it stays there.
        let first = (center - reach + 0.5).max(0.0) as usize;
        let end = ((center + reach + 0.5) as usize).min(from);
        let weight = |x: usize| filter.weight((x as f64 - center + 0.5) * narrow);
        let mut weights: Vec<f64> = (0..end.saturating_sub(first)).map(|x| weight(x + first)).collect();
        let sum: f64 = weights.iter().sum();
        if sum != 0.0 {
            weights.iter_mut().for_each(|w| *w /= sum);
        }
        Window {
            first,
            weights: weights.into_iter().map(fixed).collect(),
        }
    };
    keep.clone().map(window).collect()
}

/// Rounded away from zero, as the cast cuts off.
#[allow(clippy::cast_possible_truncation, reason = "weights lie around one")]
fn fixed(weight: f64) -> i32 {
    let scaled = weight * f64::from(1u32 << FRACTION);
    (if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
}

/// All that the windows reach.
fn reach(windows: &[Window]) -> Range<usize> {
    let first = windows.iter().map(|w| w.first).min().unwrap_or(0);
    let end = windows.iter().map(|w| w.range().end).max().unwrap_or(0);
    first..end
}

fn horizontal(image: &Pixels, rows: Range<usize>, windows: &[Window]) -> Pixels {
    let height = rows.len();
    let mut rgb = Vec::with_capacity(height * windows.len() * 3);
    for row in rows {
        let (row, _) = image.row(row).as_chunks::<3>();
        for window in windows {
            let mut sums = [HALF; 3];
            for (pixel, weight) in row[window.range()].iter().zip(&window.weights) {
                for (sum, value) in sums.iter_mut().zip(pixel) {
                    *sum += i32::from(*value) * weight;
                }
            }
            rgb.extend(sums.map(whole));
        }
    }
    Pixels {
        width: windows.len(),
        height,
        rgb,
    }
}

/// `first` is the row of the whole image that the given part begins with.
fn vertical(image: &Pixels, first: usize, windows: &[Window]) -> Pixels {
    let mut rgb = Vec::with_capacity(windows.len() * image.width * 3);
    let mut sums = vec![0; image.width * 3];
    for window in windows {
        sums.fill(HALF);
        for (row, weight) in window.range().zip(&window.weights) {
            for (sum, value) in sums.iter_mut().zip(image.row(row - first)) {
                *sum += i32::from(*value) * weight;
            }
        }
        rgb.extend(sums.iter().map(|sum| whole(*sum)));
    }
    Pixels {
        width: image.width,
        height: windows.len(),
        rgb,
    }
}

#[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "clamped before")]
fn whole(sum: i32) -> u8 {
    (sum >> FRACTION).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ramp(width: usize, height: usize) -> Pixels {
        let value = |i: usize| u8::try_from((i * 37 + i / 3 * 11) % 256).unwrap();
        Pixels {
            width,
            height,
            rgb: (0..width * height * 3).map(value).collect(),
        }
    }

    const FILTERS: [Filter; 6] = [
        Filter::Nearest,
        Filter::Box,
        Filter::Bilinear,
        Filter::Hamming,
        Filter::Bicubic,
        Filter::Lanczos,
    ];

    fn all(width: usize, height: usize) -> Region {
        Region {
            x: 0..width,
            y: 0..height,
        }
    }

    #[test]
    fn a_flat_image_stays_flat() {
        let flat = Pixels {
            width: 7,
            height: 5,
            rgb: vec![200; 105],
        };
        for filter in FILTERS {
            for (width, height) in [(1, 1), (3, 9), (20, 2)] {
                let resized = resize(&flat, width, height, &all(width, height), filter);
                assert!(resized.rgb.iter().all(|v| *v == 200), "{filter:?} {width}x{height}");
            }
        }
    }

    #[test]
    fn an_image_of_its_own_size_is_itself() {
        let image = ramp(9, 4);
        for filter in FILTERS {
            assert_eq!(resize(&image, 9, 4, &all(9, 4), filter), image);
        }
    }

    proptest! {
        #[test]
        fn a_part_is_what_it_is_in_the_whole(
            from in (1usize..30, 1usize..30), to in (1usize..30, 1usize..30),
            cut in (0usize..30, 0usize..30, 1usize..30, 1usize..30), filter in 0usize..6,
        ) {
            let image = ramp(from.0, from.1);
            let (x, y) = (cut.0 % to.0, cut.1 % to.1);
            let keep = Region { x: x..(x + cut.2).min(to.0), y: y..(y + cut.3).min(to.1) };
            let whole = resize(&image, to.0, to.1, &all(to.0, to.1), FILTERS[filter]);
            prop_assert_eq!(resize(&image, to.0, to.1, &keep, FILTERS[filter]), whole.part(&keep.x, &keep.y));
        }
    }
}
