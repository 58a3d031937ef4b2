//! The image processors of the transformers library that its image classifiers come with: what each does where
//! `preprocessor_config.json` says nothing, and what it does in a way of its own.

use super::resample::Filter;
use super::size::Size;

/// One processor, or several that differ in their names alone.
#[derive(Debug)]
pub struct Family {
    /// Names of its classes, without `ImageProcessor`, `ImageProcessorFast` or `FeatureExtractor`.
    pub names: &'static [&'static str],
    /// `model_type` of `config.json`, for files that name no class.
    pub model_types: &'static [&'static str],
    pub size: Size,
    /// What a `size` of one number is.
    pub lone: Lone,
    pub filter: Filter,
    pub crop: Crop,
    pub mean: [f64; 3],
    pub std: [f64; 3],
    pub way: Way,
}

/// What one number for a size means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lone {
    Square,
    ShortestEdge,
}

/// The cut out of the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crop {
    /// It knows none; keys of one are passed over.
    Never,
    /// Unless the file says otherwise, of so many pixels a side.
    On(usize),
    /// Where the file asks for it.
    Off(usize),
}

/// What sets a processor apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Plain,
    /// Below 384 pixels: resized by `crop_pct` larger, and cropped; else squeezed to a square.
    ConvNext,
    /// Resized by `crop_pct` larger.
    PoolFormer,
    /// The shortest edge is resized by 256/224 larger.
    Levit,
    /// May subtract one after rescaling, and divides by the deviation once more.
    EfficientNet,
    /// Blue before green before red, and no normalisation.
    MobileVit,
}

const HALF: [f64; 3] = [0.5; 3];
const IMAGENET_MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f64; 3] = [0.229, 0.224, 0.225];
const CLIP_MEAN: [f64; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const CLIP_STD: [f64; 3] = [0.268_629_54, 0.261_302_58, 0.275_777_11];

/// What most have in common.
const PLAIN: Family = Family {
    names: &[],
    model_types: &[],
    size: Size::Exact {
        height: 224,
        width: 224,
    },
    lone: Lone::Square,
    filter: Filter::Bicubic,
    crop: Crop::Never,
    mean: HALF,
    std: HALF,
    way: Way::Plain,
};

pub static FAMILIES: &[Family] = &[
    Family {
        names: &["ViT"],
        model_types: &[
            "vit",
            "swin",
            "swinv2",
            "vit_msn",
            "dinat",
            "nat",
            "ijepa",
            "swiftformer",
        ],
        filter: Filter::Bilinear,
        ..PLAIN
    },
    Family {
        names: &["Siglip"],
        model_types: &["siglip"],
        ..PLAIN
    },
    Family {
        names: &["Pvt"],
        model_types: &["pvt", "pvt_v2"],
        filter: Filter::Bilinear,
        mean: IMAGENET_MEAN,
        std: IMAGENET_STD,
        ..PLAIN
    },
    Family {
        names: &["Segformer"],
        model_types: &["segformer"],
        size: Size::Exact {
            height: 512,
            width: 512,
        },
        filter: Filter::Bilinear,
        mean: IMAGENET_MEAN,
        std: IMAGENET_STD,
        ..PLAIN
    },
    Family {
        names: &["CLIP", "Bit"],
        model_types: &["clip", "metaclip_2", "bit", "dinov2", "focalnet", "hiera"],
        size: Size::ShortestEdge(224),
        lone: Lone::ShortestEdge,
        crop: Crop::On(224),
        mean: CLIP_MEAN,
        std: CLIP_STD,
        ..PLAIN
    },
    Family {
        names: &["DeiT", "Beit"],
        model_types: &["deit", "beit", "data2vec-vision"],
        size: Size::Exact {
            height: 256,
            width: 256,
        },
        crop: Crop::On(224),
        ..PLAIN
    },
    Family {
        names: &["MobileNetV1", "MobileNetV2"],
        model_types: &["mobilenet_v1", "mobilenet_v2"],
        size: Size::ShortestEdge(256),
        lone: Lone::ShortestEdge,
        filter: Filter::Bilinear,
        crop: Crop::On(224),
        ..PLAIN
    },
    Family {
        names: &["MobileViT"],
        model_types: &["mobilevit", "mobilevitv2"],
        size: Size::ShortestEdge(224),
        lone: Lone::ShortestEdge,
        filter: Filter::Bilinear,
        crop: Crop::On(256),
        way: Way::MobileVit,
        ..PLAIN
    },
    Family {
        names: &["EfficientNet"],
        model_types: &["efficientnet"],
        size: Size::Exact {
            height: 346,
            width: 346,
        },
        filter: Filter::Nearest,
        crop: Crop::Off(289),
        way: Way::EfficientNet,
        ..PLAIN
    },
    Family {
        names: &["Levit"],
        model_types: &["levit"],
        size: Size::ShortestEdge(224),
        lone: Lone::ShortestEdge,
        crop: Crop::On(224),
        mean: IMAGENET_MEAN,
        std: IMAGENET_STD,
        way: Way::Levit,
        ..PLAIN
    },
    Family {
        names: &["PoolFormer"],
        model_types: &["poolformer"],
        size: Size::ShortestEdge(224),
        lone: Lone::ShortestEdge,
        crop: Crop::On(224),
        mean: IMAGENET_MEAN,
        std: IMAGENET_STD,
        way: Way::PoolFormer,
        ..PLAIN
    },
    Family {
        names: &["ConvNext"],
        model_types: &["convnext", "convnextv2", "cvt", "regnet", "resnet", "van"],
        size: Size::ShortestEdge(384),
        lone: Lone::ShortestEdge,
        filter: Filter::Bilinear,
        way: Way::ConvNext,
        ..PLAIN
    },
];

/// The endings of a processor's class name, in the order in which they come off.
const ENDINGS: [&str; 3] = ["Fast", "ImageProcessor", "FeatureExtractor"];

/// The family of a class.
pub fn by_class(class: &str) -> Option<&'static Family> {
    let stem = ENDINGS
        .iter()
        .fold(class, |name, ending| name.strip_suffix(*ending).unwrap_or(name));
    FAMILIES.iter().find(|family| family.names.contains(&stem))
}

/// The family of a model's type.
pub fn by_model_type(model_type: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.model_types.contains(&model_type))
}
