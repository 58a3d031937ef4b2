//! JPEG files to pixels, bit for bit as libjpeg-turbo reads them: Pillow reads them with it, and so does the
//! transformers library.

use std::io;

use image::error::{DecodingError, UnsupportedError, UnsupportedErrorKind};
use image::{ColorType, ImageDecoder, ImageError, ImageFormat, ImageResult};
use libjpeg_turbo_rs::{DecodeLimits, Decoder, JpegError, PixelFormat};

/// The most scans of a file. Each of them passes over the whole picture, and may take no more than a few bytes.
const MAX_SCANS: usize = 100;

/// A file whose head has been read.
pub struct Jpeg<'a> {
    file: &'a [u8],
    decoder: Decoder<'a>,
    /// As which values are read.
    values: PixelFormat,
}

impl<'a> Jpeg<'a> {
    /// # Errors
    /// When the file has no head that can be read, or its pixels are none of 1, 3 or 4 values of 8 bits.
    pub fn new(file: &'a [u8]) -> ImageResult<Self> {
        let limits = DecodeLimits {
            max_scans: MAX_SCANS,
            ..DecodeLimits::default()
        };
        let mut decoder = Decoder::new_with_limits(file, limits).map_err(refused)?;
        let (bits, values) = (decoder.header().precision, decoder.header().components.len());
        let values = match (bits, values) {
            (8, 1 | 3) => PixelFormat::Rgb,
            (8, 4) => PixelFormat::Cmyk,
            _ => return Err(unsupported(format!("pixels of {values} values of {bits} bits"))),
        };
        decoder.set_output_format(values);
        // Faults among the data are passed over, as in the reference.
        decoder.set_lenient(true);
        Ok(Self { file, decoder, values })
    }
}

impl ImageDecoder for Jpeg<'_> {
    fn dimensions(&self) -> (u32, u32) {
        let head = self.decoder.header();
        (u32::from(head.width), u32::from(head.height))
    }

    fn color_type(&self) -> ColorType {
        ColorType::Rgb8
    }

    fn exif_metadata(&mut self) -> ImageResult<Option<Vec<u8>>> {
        Ok(self.decoder.exif_data().map(<[u8]>::to_vec))
    }

    fn xmp_metadata(&mut self) -> ImageResult<Option<Vec<u8>>> {
        Ok(self.decoder.xmp_data().map(<[u8]>::to_vec))
    }

    fn read_image(self, buf: &mut [u8]) -> ImageResult<()> {
        if !is_whole(self.file) {
            let what = "the file ends before the picture does";
            return Err(ImageError::IoError(io::Error::new(io::ErrorKind::UnexpectedEof, what)));
        }
        let (kind, pixels) = if self.values == PixelFormat::Cmyk {
            let image = self.decoder.decode_image().map_err(refused)?;
            for (rgb, cmyk) in buf.chunks_exact_mut(3).zip(image.data.chunks_exact(4)) {
                rgb.copy_from_slice(&rgb_of(cmyk));
            }
            (image.pixel_format, image.data.len() / 4)
        } else {
            let image = self.decoder.decode_image_into(buf).map_err(refused)?;
            (image.pixel_format, image.bytes_written / 3)
        };
        if kind == self.values && pixels == buf.len() / 3 {
            Ok(())
        } else {
            Err(unsupported(format!("{pixels} pixels read as {kind:?}")))
        }
    }

    fn read_image_boxed(self: Box<Self>, buf: &mut [u8]) -> ImageResult<()> {
        (*self).read_image(buf)
    }
}

fn unsupported(what: String) -> ImageError {
    let what = UnsupportedErrorKind::GenericFeature(what);
    ImageError::Unsupported(UnsupportedError::from_format_and_kind(ImageFormat::Jpeg.into(), what))
}

fn refused(error: JpegError) -> ImageError {
    match error {
        JpegError::Unsupported(what) => unsupported(what),
        other => ImageError::Decoding(DecodingError::new(ImageFormat::Jpeg.into(), other)),
    }
}

/// Four inks to red, green and blue, with Pillow's rounding. Files hold how much of an ink is left out.
fn rgb_of(cmyk: &[u8]) -> [u8; 3] {
    let white = u32::from(cmyk[3]);
    [0, 1, 2].map(|ink| {
        let part = u32::from(255 - cmyk[ink]) * white + 128;
        let taken = ((part >> 8) + part) >> 8;
        u8::try_from(white.saturating_sub(taken)).unwrap_or(u8::MAX)
    })
}

/// Whether a file goes on to its end marker. The decoder fills what is missing with grey.
fn is_whole(file: &[u8]) -> bool {
    /// Start of a scan, end of the image.
    const SCAN: u8 = 0xDA;
    const END: u8 = 0xD9;
    // What every file begins with.
    let mut rest = file.get(2..).unwrap_or_default();
    loop {
        // Between segments, and in a scan's data, everything up to a marker is passed over; 0 and restart marks are
        // part of the data.
        let Some(place) = rest
            .windows(2)
            .position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0 | 1 | 0xD0..=0xD7 | 0xFF))
        else {
            return false;
        };
        let marker = rest[place + 1];
        if marker == END {
            return true;
        }
        let after = &rest[place + 2..];
        let Some((length, _)) = after.split_first_chunk::<2>() else {
            return false;
        };
        let length = usize::from(u16::from_be_bytes(*length));
        let Some(next) = after.get(length..) else {
            return false;
        };
        // A file that ends with the head of a scan has nothing of it.
        if marker == SCAN && next.is_empty() {
            return false;
        }
        rest = next;
    }
}
