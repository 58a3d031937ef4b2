//! A file's bytes to pixels, as the transformers library loads images: turned upright by its metadata, and with no
//! other channels than red, green and blue.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

use super::jpeg::Jpeg;
use super::pixels::Pixels;

/// The most pixels of one image. A file of a few kilobytes may claim any number of them.
pub const MAX_PIXELS: u64 = 64 << 20;

/// Why bytes are no image, in words that follow the name of a field.
pub type Refused = String;

/// Reads a PNG, JPEG or WebP file; of an animation its first picture. What a pixel would hide by its alpha is seen.
///
/// # Errors
/// When it is none of them, is damaged or cut off, or has more than `most` pixels.
pub fn decode(file: &[u8], most: u64) -> Result<Pixels, Refused> {
    let reader = ImageReader::new(Cursor::new(file))
        .with_guessed_format()
        .map_err(|e| refused(ImageError::IoError(e)))?;
    let mut decoder: Box<dyn ImageDecoder + '_> = match reader.format() {
        None => return Err("is no image; send a PNG, JPEG or WebP file".into()),
        Some(ImageFormat::Jpeg) => Box::new(Jpeg::new(file).map_err(refused)?),
        Some(_) => Box::new(reader.into_decoder().map_err(refused)?),
    };
    let (width, height) = decoder.dimensions();
    let size = u64::from(width) * u64::from(height);
    if size > most {
        return Err(format!(
            "is an image of {width}×{height} pixels, at most {most} are taken"
        ));
    }
    let orientation = orientation(&mut decoder);
    let mut image = DynamicImage::from_decoder(decoder).map_err(refused)?;
    if image.width() == 0 || image.height() == 0 {
        return Err("is an image without pixels".into());
    }
    image.apply_orientation(orientation);
    Ok(pixels(image))
}

/// What is told of a file that cannot be read.
fn refused(error: ImageError) -> Refused {
    match error {
        ImageError::Unsupported(what) => {
            format!("is an image of a kind that is not read here, send PNG, JPEG or WebP: {what}")
        }
        other => format!("is a damaged image: {other}"),
    }
}

/// How the picture lies in the file: by its Exif metadata, else by its XMP metadata.
fn orientation(decoder: &mut impl ImageDecoder) -> Orientation {
    let exif = decoder.exif_metadata().ok().flatten();
    let exif = exif.as_deref().and_then(|chunk| {
        // Some writers keep the name that JPEG files put before it.
        Orientation::from_exif_chunk(chunk.strip_prefix(b"Exif\0\0").unwrap_or(chunk))
    });
    let told = exif.or_else(|| {
        let xmp = decoder.xmp_metadata().ok().flatten()?;
        xmp_orientation(&xmp).and_then(Orientation::from_exif)
    });
    told.unwrap_or(Orientation::NoTransforms)
}

/// The number that stands after `tiff:Orientation`, as an attribute or an element.
fn xmp_orientation(xmp: &[u8]) -> Option<u8> {
    const NAME: &[u8] = b"tiff:Orientation";
    let place = xmp.windows(NAME.len()).position(|text| text == NAME)?;
    let rest = &xmp[place + NAME.len()..];
    let value = rest.strip_prefix(b"=\"").or_else(|| rest.strip_prefix(b">"))?;
    value
        .first()
        .filter(|digit| digit.is_ascii_digit())
        .map(|digit| digit - b'0')
}

/// To red, green and blue of 8 bits, as Pillow converts them: alpha goes, and of 16 bits the upper 8 are kept, but
/// for plain grey, whose values are cut off at 255.
fn pixels(image: DynamicImage) -> Pixels {
    let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let (width, height) = (size(image.width()), size(image.height()));
    let upper = |value: u16| value.to_be_bytes()[0];
    let low = |value: u16| u8::try_from(value).unwrap_or(u8::MAX);
    let rgb: Vec<u8> = match image {
        DynamicImage::ImageRgb8(image) => image.into_raw(),
        DynamicImage::ImageRgba8(image) => image.pixels().flat_map(|p| [p[0], p[1], p[2]]).collect(),
        DynamicImage::ImageLuma8(image) => image.pixels().flat_map(|p| [p[0]; 3]).collect(),
        DynamicImage::ImageLumaA8(image) => image.pixels().flat_map(|p| [p[0]; 3]).collect(),
        DynamicImage::ImageLuma16(image) => image.pixels().flat_map(|p| [low(p[0]); 3]).collect(),
        DynamicImage::ImageLumaA16(image) => image.pixels().flat_map(|p| [upper(p[0]); 3]).collect(),
        DynamicImage::ImageRgb16(image) => image.pixels().flat_map(|p| [p[0], p[1], p[2]].map(upper)).collect(),
        DynamicImage::ImageRgba16(image) => image.pixels().flat_map(|p| [p[0], p[1], p[2]].map(upper)).collect(),
        // Only formats with floating-point values come as another kind, and none of them is read.
        other => other.into_rgb8().into_raw(),
    };
    Pixels { width, height, rgb }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use base64::prelude::{BASE64_STANDARD, Engine};
    use serde_json::Value;

    use super::*;

    /// Files of the record, by name.
    fn files(of: &str) -> Vec<(String, Vec<u8>)> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/image_classification.json");
        let record: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let file =
            |(name, text): (&String, &Value)| (name.clone(), BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap());
        record[of].as_object().unwrap().iter().map(file).collect()
    }

    #[test]
    fn files_with_loss_hold_the_pixels_that_the_reference_reads_of_them() {
        let files = files("images");
        let mut compared = 0;
        for (name, exact) in &files {
            let Some(lossy) = name.strip_prefix("pixels of ") else {
                continue;
            };
            let (_, lossy) = files.iter().find(|(name, _)| name == lossy).unwrap();
            let (got, want) = (decode(lossy, MAX_PIXELS).unwrap(), decode(exact, MAX_PIXELS).unwrap());
            assert_eq!((got.width, got.height), (want.width, want.height), "{name}");
            let apart = got.rgb.iter().zip(&want.rgb).map(|(a, b)| a.abs_diff(*b));
            assert_eq!(apart.max(), Some(0), "{name}");
            compared += 1;
        }
        assert!(compared >= 10);
    }

    #[test]
    fn what_is_no_whole_image_is_refused() {
        for (name, file) in files("damaged") {
            assert!(decode(&file, MAX_PIXELS).is_err(), "{name}");
        }
        let (_, whole) = files("images").into_iter().find(|(name, _)| name == "rgb").unwrap();
        assert!(decode(&whole, 60 * 45).is_ok());
        let told = decode(&whole, 60 * 45 - 1).unwrap_err();
        assert!(told.contains("60×45 pixels"), "{told}");
    }

    #[test]
    fn jpegs_of_other_depths_are_of_a_kind_that_is_not_read() {
        let (_, mut file) = files("images").into_iter().find(|(name, _)| name == "jpeg").unwrap();
        let frame = file.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
        // After the marker and the segment's length.
        file[frame + 4] = 12;
        let told = decode(&file, MAX_PIXELS).unwrap_err();
        assert!(told.contains("of a kind that is not read here"), "{told}");
    }

    #[test]
    fn orientation_is_found_in_xmp() {
        assert_eq!(xmp_orientation(b"<x tiff:Orientation=\"6\"/>"), Some(6));
        assert_eq!(xmp_orientation(b"<tiff:Orientation>3</tiff:Orientation>"), Some(3));
        assert_eq!(xmp_orientation(b"<tiff:Orientation/>"), None);
        assert_eq!(xmp_orientation(b""), None);
    }
}
