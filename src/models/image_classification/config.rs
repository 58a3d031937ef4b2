//! `preprocessor_config.json` as a plan for images.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::families::{self, Crop, FAMILIES, Family, Lone, Way};
use super::preprocess::{Plan, Values};
use super::resample::Filter;
use super::size::Size;

const FILE: &str = "preprocessor_config.json";

/// The keys that are read; others are passed over. `null` is the family's default, as an absent key is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Written {
    image_processor_type: Option<String>,
    /// What the key was called at first.
    feature_extractor_type: Option<String>,
    do_resize: Option<bool>,
    size: Option<Value>,
    resample: Option<u64>,
    crop_pct: Option<f64>,
    do_center_crop: Option<bool>,
    crop_size: Option<Value>,
    do_rescale: Option<bool>,
    rescale_factor: Option<f64>,
    rescale_offset: Option<bool>,
    do_normalize: Option<bool>,
    image_mean: Option<Channels>,
    image_std: Option<Channels>,
    include_top: Option<bool>,
    do_flip_channel_order: Option<bool>,
}

/// A value for each channel, or one for all.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
enum Channels {
    One(f64),
    Each([f64; 3]),
}

impl Channels {
    const fn each(self) -> [f64; 3] {
        match self {
            Self::One(value) => [value; 3],
            Self::Each(values) => values,
        }
    }
}

/// Reads the file of a folder.
///
/// # Errors
/// A sentence that says what is missing or wrong.
pub fn read(folder: &Path, model_type: Option<&str>) -> Result<Plan, String> {
    let text = std::fs::read(folder.join(FILE)).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => {
            format!("{FILE} is missing; save_pretrained of the model's image processor writes it")
        }
        _ => format!("{FILE} cannot be read: {e}"),
    })?;
    let written: Written =
        serde_json::from_slice(&text).map_err(|e| format!("{FILE} is not what it should be: {e}"))?;
    written.plan(model_type)
}

impl Written {
    fn plan(&self, model_type: Option<&str>) -> Result<Plan, String> {
        let family = self.family(model_type)?;
        let size = self.size.as_ref().map(|value| Size::read("size", value, family.lone));
        let size = size.transpose()?.unwrap_or(family.size);
        let (resize, crop) = self.shape(family, size)?;
        let filter = match self.resample {
            None => family.filter,
            Some(number) => Filter::numbered(number)
                .ok_or_else(|| format!("resample of {FILE} is {number}, expected a number from 0 to 5"))?,
        };
        Ok(Plan {
            resize: self.do_resize.unwrap_or(true).then_some(resize),
            filter,
            crop,
            values: self.values(family)?,
            blue_first: family.way == Way::MobileVit && self.do_flip_channel_order.unwrap_or(true),
        })
    }

    fn family(&self, model_type: Option<&str>) -> Result<&'static Family, String> {
        let class = self
            .image_processor_type
            .as_ref()
            .or(self.feature_extractor_type.as_ref());
        let known = || {
            let names = FAMILIES.iter().flat_map(|family| family.names.iter().copied());
            names.collect::<Vec<_>>().join(", ")
        };
        match (class, model_type) {
            (Some(class), _) => families::by_class(class).ok_or_else(|| {
                format!(
                    "{FILE} names {class}, which this task does not know; known are those of {}",
                    known()
                )
            }),
            (None, Some(kind)) => families::by_model_type(kind).ok_or_else(|| {
                format!("{FILE} has no image_processor_type, and no processor is known for models of type {kind}")
            }),
            (None, None) => Err(format!(
                "{FILE} has no image_processor_type; known are those of {}",
                known()
            )),
        }
    }

    /// What images are resized to, and what is cut out of them: height and width.
    fn shape(&self, family: &Family, size: Size) -> Result<(Size, Option<(usize, usize)>), String> {
        let crop = self.crop(family)?;
        let resized = match (family.way, size) {
            (Way::ConvNext, Size::ShortestEdge(edge)) if edge < 384 => {
                let larger = Size::ShortestEdge(self.larger(edge, 224.0 / 256.0)?);
                // Here the crop belongs to the resizing.
                let crop = self.do_resize.unwrap_or(true).then_some((edge, edge));
                return Ok((larger, crop));
            }
            (Way::ConvNext, Size::ShortestEdge(edge)) => Size::square(edge),
            (Way::ConvNext, Size::Exact { .. } | Size::LongestEdge(_)) => {
                let size = self.size.as_ref().unwrap_or(&Value::Null);
                return Err(format!("size of {FILE} is {size}, expected shortest_edge"));
            }
            (Way::PoolFormer, Size::ShortestEdge(edge)) => Size::ShortestEdge(self.larger(edge, 0.9)?),
            (Way::PoolFormer, Size::Exact { height, width }) if height == width => {
                Size::ShortestEdge(self.larger(height, 0.9)?)
            }
            (Way::PoolFormer, Size::Exact { height, width }) => Size::Exact {
                height: self.larger(height, 0.9)?,
                width: self.larger(width, 0.9)?,
            },
            (Way::Levit, Size::ShortestEdge(edge)) => Size::ShortestEdge(scaled(edge, 256.0 / 224.0)),
            (_, size) => size,
        };
        Ok((resized, crop))
    }

    /// An edge before the crop takes `crop_pct` of it.
    fn larger(&self, edge: usize, default: f64) -> Result<usize, String> {
        let part = self.crop_pct.unwrap_or(default);
        if part > 0.1 && part <= 1.0 {
            return Ok(divided(edge, part));
        }
        Err(format!(
            "crop_pct of {FILE} is {part}, expected a number above 0.1 and up to 1"
        ))
    }

    fn crop(&self, family: &Family) -> Result<Option<(usize, usize)>, String> {
        let (default, side) = match family.crop {
            Crop::Never => return Ok(None),
            Crop::On(side) => (true, side),
            Crop::Off(side) => (false, side),
        };
        if !self.do_center_crop.unwrap_or(default) {
            return Ok(None);
        }
        let Some(value) = &self.crop_size else {
            return Ok(Some((side, side)));
        };
        match Size::read("crop_size", value, Lone::Square)? {
            Size::Exact { height, width } => Ok(Some((height, width))),
            Size::ShortestEdge(_) | Size::LongestEdge(_) => {
                Err(format!("crop_size of {FILE} is {value}, expected height and width"))
            }
        }
    }

    /// What each value of each channel becomes.
    fn values(&self, family: &Family) -> Result<Values, String> {
        let efficient = family.way == Way::EfficientNet;
        let std = self.image_std.map_or(family.std, Channels::each);
        if std.contains(&0.0) {
            return Err(format!("image_std of {FILE} is 0, and nothing can be divided by it"));
        }
        let normalize = family.way != Way::MobileVit && self.do_normalize.unwrap_or(true);
        Ok(Values {
            scale: self
                .do_rescale
                .unwrap_or(true)
                .then(|| self.rescale_factor.unwrap_or(1.0 / 255.0)),
            less_one: efficient && self.rescale_offset.unwrap_or(false),
            normal: normalize.then(|| (self.image_mean.map_or(family.mean, Channels::each), std)),
            again: (efficient && self.include_top.unwrap_or(true)).then_some(std),
        })
    }
}

/// The fraction is cut off.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "lengths of images"
)]
fn divided(edge: usize, part: f64) -> usize {
    (edge as f64 / part) as usize
}

/// The fraction is cut off.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "lengths of images"
)]
fn scaled(edge: usize, by: f64) -> usize {
    (by * edge as f64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str, model_type: Option<&str>) -> Result<Plan, String> {
        serde_json::from_str::<Written>(text).unwrap().plan(model_type)
    }

    #[test]
    fn a_class_of_any_age_names_its_family() {
        for class in ["ViTImageProcessor", "ViTImageProcessorFast", "ViTFeatureExtractor"] {
            for key in ["image_processor_type", "feature_extractor_type"] {
                let plan = plan(&format!(r#"{{"{key}": "{class}", "size": 30}}"#), None).unwrap();
                assert_eq!(plan.resize, Some(Size::square(30)));
                assert_eq!((plan.filter, plan.crop), (Filter::Bilinear, None));
            }
        }
        let plan = plan("{}", Some("resnet")).unwrap();
        assert_eq!((plan.resize, plan.crop), (Some(Size::square(384)), None));
    }

    #[test]
    fn what_a_family_does_in_its_own_way() {
        let shape = |text: &str| {
            let plan = plan(text, None).unwrap();
            (plan.resize, plan.crop)
        };
        let convnext =
            r#"{"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 224}, "crop_pct": null}"#;
        assert_eq!(shape(convnext), (Some(Size::ShortestEdge(256)), Some((224, 224))));
        let levit = r#"{"feature_extractor_type": "LevitFeatureExtractor", "size": 224}"#;
        assert_eq!(shape(levit), (Some(Size::ShortestEdge(256)), Some((224, 224))));
        let pool = r#"{"feature_extractor_type": "PoolFormerFeatureExtractor", "size": 224, "crop_pct": 0.95, "crop_size": 200}"#;
        assert_eq!(shape(pool), (Some(Size::ShortestEdge(235)), Some((200, 200))));
        let still = r#"{"image_processor_type": "CLIPImageProcessor", "do_resize": false, "do_center_crop": false}"#;
        assert_eq!(shape(still), (None, None));
    }

    #[test]
    fn what_is_wrong_is_told_by_its_key() {
        for (text, key) in [
            (
                r#"{"image_processor_type": "NougatImageProcessor"}"#,
                "NougatImageProcessor",
            ),
            (
                r#"{"image_processor_type": "ViTImageProcessor", "size": "big"}"#,
                "size of",
            ),
            (
                r#"{"image_processor_type": "ViTImageProcessor", "resample": 9}"#,
                "resample of",
            ),
            (
                r#"{"image_processor_type": "ViTImageProcessor", "image_std": 0}"#,
                "image_std of",
            ),
            (
                r#"{"image_processor_type": "CLIPImageProcessor", "crop_size": {"shortest_edge": 3}}"#,
                "crop_size of",
            ),
            (
                r#"{"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 99}, "crop_pct": 0}"#,
                "crop_pct of",
            ),
            ("{}", "no image_processor_type"),
        ] {
            let told = plan(text, None).unwrap_err();
            assert!(told.contains(key), "{told}");
        }
        let told = plan("{}", Some("bert")).unwrap_err();
        assert!(told.contains("models of type bert"), "{told}");
    }
}
