//! Images to the values that a graph takes: resized, cropped, rescaled and normalised.
//!
//! Until a run is put together an image is kept as bytes; a table of 256 entries a channel then makes its values in
//! one pass, in the order of the graph's axes.

use std::ops::Range;

use super::pixels::Pixels;
use super::resample::{Filter, Region, resize};
use super::size::Size;

/// What is done to each image, in this order.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub resize: Option<Size>,
    pub filter: Filter,
    /// Height and width of what is cut out of the middle. What is missing around a smaller image is black.
    pub crop: Option<(usize, usize)>,
    pub values: Values,
    /// Channels are given in the order blue, green, red.
    pub blue_first: bool,
}

/// What becomes of the value of a channel, step by step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Values {
    /// Multiplied with this.
    pub scale: Option<f64>,
    /// Less one.
    pub less_one: bool,
    /// Less the mean of its channel, and divided by the deviation.
    pub normal: Option<([f64; 3], [f64; 3])>,
    /// Divided by this.
    pub again: Option<[f64; 3]>,
}

/// A table for each channel, in the order of the graph's.
pub type Tables = [[f32; 256]; 3];

impl Values {
    /// In the precision of the library's steps: the product of 64 bits, everything after it of 32.
    #[allow(clippy::cast_possible_truncation, reason = "the precision of the values")]
    fn of(&self, channel: usize, value: u8) -> f32 {
        let mut made = match self.scale {
            Some(scale) => (f64::from(value) * scale) as f32,
            None => f32::from(value),
        };
        if self.less_one {
            made -= 1.0;
        }
        if let Some((mean, std)) = self.normal {
            made = (made - mean[channel] as f32) / std[channel] as f32;
        }
        if let Some(std) = self.again {
            made /= std[channel] as f32;
        }
        made
    }
}

impl Plan {
    /// Height and width of every image after it, where they do not depend on the image.
    pub const fn fixed(&self) -> Option<(usize, usize)> {
        match (self.crop, self.resize) {
            (Some(size), _) => Some(size),
            (None, Some(Size::Exact { height, width })) => Some((height, width)),
            (None, _) => None,
        }
    }

    /// Height and width of an image of this height and width, after it.
    pub fn of(&self, height: usize, width: usize) -> (usize, usize) {
        self.crop.unwrap_or_else(|| self.resized(height, width))
    }

    fn resized(&self, height: usize, width: usize) -> (usize, usize) {
        self.resize.map_or((height, width), |size| size.of(height, width))
    }

    /// Resizes and crops.
    pub fn apply(&self, image: Pixels) -> Pixels {
        let (height, width) = self.resized(image.height, image.width);
        let (tall, wide) = self.crop.unwrap_or((height, width));
        let (down, across) = (Kept::of(height, tall), Kept::of(width, wide));
        let keep = Region {
            x: across.range,
            y: down.range,
        };
        let made = if (height, width) == (image.height, image.width) {
            if keep.x.len() == width && keep.y.len() == height {
                image
            } else {
                image.part(&keep.x, &keep.y)
            }
        } else {
            resize(&image, width, height, &keep, self.filter)
        };
        if (made.height, made.width) == (tall, wide) {
            return made;
        }
        made.framed(wide, tall, across.before, down.before)
    }

    /// What makes the values of images after [`Plan::apply`].
    pub fn tables(&self) -> Tables {
        let table = |channel: usize| {
            let mut values = (0..=u8::MAX).map(|value| self.values.of(channel, value));
            std::array::from_fn(|_| values.next().unwrap_or_default())
        };
        std::array::from_fn(|place| table(self.channel(place)))
    }

    /// The channel that stands at a place of the graph's.
    pub const fn channel(&self, place: usize) -> usize {
        if self.blue_first { 2 - place } else { place }
    }
}

/// What a crop of one axis keeps, and how much black stands before it.
struct Kept {
    range: Range<usize>,
    before: usize,
}

impl Kept {
    fn of(length: usize, wanted: usize) -> Self {
        if wanted <= length {
            let first = (length - wanted) / 2;
            return Self {
                range: first..first + wanted,
                before: 0,
            };
        }
        Self {
            range: 0..length,
            before: (wanted - length).div_ceil(2),
        }
    }
}

/// Images of one size as values: image by image, channel by channel, row by row. `tables` are the plan's, in the
/// precision that the graph takes.
pub fn stack<E: Copy + Default>(images: &[&Pixels], plan: &Plan, tables: &[[E; 256]; 3]) -> Vec<E> {
    let area = images.first().map_or(0, |image| image.width * image.height);
    let mut values = vec![E::default(); images.len() * 3 * area];
    if area == 0 {
        return values;
    }
    for (image, values) in images.iter().zip(values.chunks_exact_mut(3 * area)) {
        for (place, (values, table)) in values.chunks_exact_mut(area).zip(tables).enumerate() {
            let channel = image.rgb.iter().skip(plan.channel(place)).step_by(3);
            for (made, value) in values.iter_mut().zip(channel) {
                *made = table[usize::from(*value)];
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(resize: Option<Size>, crop: Option<(usize, usize)>) -> Plan {
        Plan {
            resize,
            filter: Filter::Bilinear,
            crop,
            values: Values {
                scale: Some(1.0 / 255.0),
                less_one: false,
                normal: Some(([0.5; 3], [0.25; 3])),
                again: None,
            },
            blue_first: false,
        }
    }

    fn counted(width: usize, height: usize) -> Pixels {
        let value = |i: usize| u8::try_from(i % 256).unwrap();
        Pixels {
            width,
            height,
            rgb: (0..width * height * 3).map(value).collect(),
        }
    }

    #[test]
    fn a_crop_lies_in_the_middle_and_is_filled_up_with_black() {
        let image = counted(5, 4);
        let cut = plan(None, Some((2, 2))).apply(image.clone());
        assert_eq!(cut, image.part(&(1..3), &(1..3)));
        let filled = plan(None, Some((7, 8))).apply(image.clone());
        assert_eq!((filled.height, filled.width), (7, 8));
        assert_eq!(filled.part(&(2..7), &(2..6)), image);
        let light: u32 = filled.rgb.iter().map(|v| u32::from(*v)).sum();
        assert_eq!(light, image.rgb.iter().map(|v| u32::from(*v)).sum::<u32>());
        let both = plan(None, Some((2, 9))).apply(image.clone());
        assert_eq!(both.part(&(2..7), &(0..2)), image.part(&(0..5), &(1..3)));
    }

    #[test]
    fn a_crop_of_a_resized_image_is_made_alone() {
        let image = counted(40, 30);
        let whole = plan(Some(Size::ShortestEdge(20)), None).apply(image.clone());
        assert_eq!((whole.height, whole.width), (20, 26));
        let cut = plan(Some(Size::ShortestEdge(20)), Some((16, 16))).apply(image);
        assert_eq!(cut, whole.part(&(5..21), &(2..18)));
    }

    #[test]
    fn values_stand_channel_by_channel() {
        let mut plan = plan(None, None);
        let image = Pixels {
            width: 2,
            height: 1,
            rgb: vec![0, 51, 255, 102, 0, 0],
        };
        let expect = |bytes: [u8; 6]| bytes.map(|v| (f32::from(v) / 255.0 - 0.5) / 0.25);
        let near = |made: Vec<f32>, wanted: [f32; 6]| {
            assert!(made.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6), "{made:?}");
        };
        near(stack(&[&image], &plan, &plan.tables()), expect([0, 102, 51, 0, 255, 0]));
        plan.blue_first = true;
        near(stack(&[&image], &plan, &plan.tables()), expect([255, 0, 51, 0, 0, 102]));
        assert_eq!(stack(&[&image, &image], &plan, &plan.tables()).len(), 12);
    }
}
