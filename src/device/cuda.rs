//! The CUDA driver: which GPUs it shows, how much memory they have, and the
//! binding of a replica's thread to one. The only user of cudarc in this room.
//! The driver library is opened at run time, so one build serves machines
//! with and without GPUs; a missing driver is an answer here, never a panic.

use std::any::Any;
use std::fs;
use std::marker::PhantomData;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use cudarc::driver::sys::CUresult;
use cudarc::driver::{CudaContext, DriverError, result};

use super::error::{CudaFault, DeviceError};
use super::identity::Device;

/// Bytes of a GPU's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CudaMemory {
    /// Free at this moment, whoever uses the rest.
    pub free: u64,
    /// In all.
    pub total: u64,
}

/// What discovery asks a CUDA driver; tests bring their own.
pub trait CudaDriver {
    /// The names of the GPUs that this process may use, by ordinal.
    ///
    /// # Errors
    /// The driver is missing or broken. No GPU is not an error.
    fn gpu_names(&self) -> Result<Vec<String>, CudaFault>;

    /// The memory of one GPU.
    ///
    /// # Errors
    /// The driver refuses, as it does while another process has the GPU for
    /// itself (compute mode "exclusive process").
    fn memory(&self, ordinal: u32) -> Result<CudaMemory, CudaFault>;
}

/// The driver of this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct SystemDriver {
    present: bool,
}

impl SystemDriver {
    /// Looks for the driver without opening it.
    pub(super) fn find(env: &dyn Fn(&str) -> Option<String>) -> Self {
        let cache = fs::read("/etc/ld.so.cache").unwrap_or_default();
        let library_path = env("LD_LIBRARY_PATH").unwrap_or_default();
        Self {
            present: traces_of_driver(&library_path, &cache, &Path::exists),
        }
    }
}

impl CudaDriver for SystemDriver {
    fn gpu_names(&self) -> Result<Vec<String>, CudaFault> {
        if !self.present {
            return Err(CudaFault::NoDriver);
        }
        on_own_thread(|| {
            let count = match CudaContext::device_count() {
                Err(DriverError(CUresult::CUDA_ERROR_NO_DEVICE)) => 0,
                count => count?,
            };
            (0..count)
                .map(|ordinal| result::device::get_name(result::device::get(ordinal)?))
                .collect()
        })
    }

    fn memory(&self, ordinal: u32) -> Result<CudaMemory, CudaFault> {
        if !self.present {
            return Err(CudaFault::NoDriver);
        }
        query_memory(ordinal)
    }
}

/// The memory of a GPU, free and in all.
///
/// Retains the GPU's primary context while it asks: next to nothing where a
/// replica of this process is bound to the GPU, some tenths of a second and
/// some hundred MiB for that long where none is.
///
/// # Errors
/// No driver, no such GPU, or the driver refuses.
pub fn memory(ordinal: u32) -> Result<CudaMemory, DeviceError> {
    query_memory(ordinal).map_err(|fault| DeviceError::Cuda {
        device: Device::Cuda(ordinal),
        fault,
    })
}

fn query_memory(ordinal: u32) -> Result<CudaMemory, CudaFault> {
    on_own_thread(move || read_memory(&*CudaContext::new(ordinal as usize)?))
}

fn read_memory(context: &CudaContext) -> Result<CudaMemory, DriverError> {
    let (free, total) = context.mem_get_info()?;
    Ok(CudaMemory {
        free: free as u64,
        total: total as u64,
    })
}

/// A thread's hold on a GPU: the primary context is retained and current on
/// the thread that bound it, and released when this is dropped.
///
/// It is the primary context because that is the one the CUDA runtime, and so
/// ONNX Runtime, uses. It stays on its thread: a current context belongs to
/// one.
#[derive(Debug)]
pub struct CudaBinding {
    context: Arc<CudaContext>,
    ordinal: u32,
    stays_on_its_thread: PhantomData<*const ()>,
}

impl CudaBinding {
    /// The GPU this is bound to.
    #[must_use]
    pub fn device(&self) -> Device {
        Device::Cuda(self.ordinal)
    }

    /// The context, for calls that need one.
    #[must_use]
    pub fn context(&self) -> &Arc<CudaContext> {
        &self.context
    }

    /// Makes the context current again, after code that may have changed it.
    ///
    /// # Errors
    /// The context is lost: an earlier call on the GPU failed for good.
    pub fn make_current(&self) -> Result<(), DeviceError> {
        self.ask(CudaContext::bind_to_thread)
    }

    /// The GPU's memory, free and in all.
    ///
    /// # Errors
    /// As [`Self::make_current`].
    pub fn memory(&self) -> Result<CudaMemory, DeviceError> {
        self.ask(read_memory)
    }

    fn ask<T>(&self, question: impl FnOnce(&CudaContext) -> Result<T, DriverError>) -> Result<T, DeviceError> {
        question(&self.context).map_err(|error| DeviceError::Cuda {
            device: self.device(),
            fault: CudaFault::Driver(describe(error)),
        })
    }
}

/// Binds the calling thread to a GPU for as long as the result lives.
///
/// # Errors
/// No driver, no such GPU, or the driver refuses (out of memory, or another
/// process has the GPU for itself).
pub fn bind_thread(ordinal: u32) -> Result<CudaBinding, DeviceError> {
    let bound = panic::catch_unwind(AssertUnwindSafe(|| CudaContext::new(ordinal as usize)));
    match settle(bound) {
        Ok(context) => Ok(CudaBinding {
            context,
            ordinal,
            stays_on_its_thread: PhantomData,
        }),
        Err(fault) => Err(DeviceError::Cuda {
            device: Device::Cuda(ordinal),
            fault,
        }),
    }
}

/// Runs a query where it cannot change which context is current on the
/// caller's thread, which may be a replica's.
fn on_own_thread<T: Send + 'static>(
    query: impl FnOnce() -> Result<T, DriverError> + Send + 'static,
) -> Result<T, CudaFault> {
    let thread = thread::Builder::new().name("cuda-query".into());
    match thread.spawn(query) {
        Ok(running) => settle(running.join()),
        Err(error) => Err(CudaFault::Unusable(error.to_string())),
    }
}

/// cudarc panics where the library or one of its functions is not there.
fn settle<T>(answer: thread::Result<Result<T, DriverError>>) -> Result<T, CudaFault> {
    match answer {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(CudaFault::Driver(describe(error))),
        Err(panic) => Err(CudaFault::Unusable(panic_message(panic.as_ref()))),
    }
}

fn describe(error: DriverError) -> String {
    let text = error.error_string().map(|text| text.to_string_lossy());
    match text {
        Ok(text) => format!("{:?} ({text})", error.0),
        Err(_) => format!("{:?}", error.0),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("the CUDA library panicked");
    // What follows the dash is some forty file names that were tried.
    text.split(" - ").next().unwrap_or(text).to_owned()
}

/// Whether opening the driver library has a chance. Asked first because
/// cudarc answers a missing library with a panic, which would greet every
/// start on a machine without a GPU; its own test for the library is `unsafe`.
///
/// Looks where the dynamic loader does (ld.so(8): `LD_LIBRARY_PATH`, the
/// cache, the default folders). The driver's device node counts too: then a
/// library that does not open is a fault worth its message, as in a container
/// that was given the GPU but not the driver.
fn traces_of_driver(library_path: &str, loader_cache: &[u8], exists: &dyn Fn(&Path) -> bool) -> bool {
    const LIBRARIES: [&str; 2] = ["libcuda.so.1", "libcuda.so"];
    const FOLDERS: [&str; 6] = [
        "/lib",
        "/usr/lib",
        "/lib64",
        "/usr/lib64",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
    ];
    let in_cache = b"libcuda.so";
    let listed = library_path.split([':', ';']).filter(|dir| !dir.is_empty());
    let mut folders = listed.chain(FOLDERS);
    loader_cache.windows(in_cache.len()).any(|name| name == in_cache)
        || exists(Path::new("/dev/nvidiactl"))
        || folders.any(|dir| LIBRARIES.iter().any(|name| exists(&Path::new(dir).join(name))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(library_path: &str, cache: &[u8], files: &[&str]) -> bool {
        traces_of_driver(library_path, cache, &|path| {
            files.iter().any(|file| Path::new(file) == path)
        })
    }

    #[test]
    fn a_machine_without_a_driver_shows_no_traces() {
        assert!(!traces("", b"", &[]));
        assert!(!traces(
            "/opt/cuda/lib64:",
            b"libcudart.so.12\0libcudadebugger.so.1\0",
            &["/opt/cuda/lib64/libcudart.so"]
        ));
    }

    #[test]
    fn the_driver_is_found_wherever_the_loader_would() {
        assert!(traces("/a:/b", b"", &["/b/libcuda.so.1"]));
        assert!(traces("", b"\0libc.so.6\0libcuda.so.1\0", &[]));
        assert!(traces("", b"", &["/usr/lib/x86_64-linux-gnu/libcuda.so.1"]));
        assert!(traces("", b"", &["/usr/lib64/libcuda.so"]));
        assert!(traces("", b"", &["/dev/nvidiactl"]));
    }

    #[test]
    fn without_a_driver_nothing_is_opened() {
        let driver = SystemDriver { present: false };
        assert_eq!(driver.gpu_names(), Err(CudaFault::NoDriver));
        assert_eq!(driver.memory(0), Err(CudaFault::NoDriver));
    }

    #[test]
    fn a_panic_inside_the_library_is_an_answer() {
        let fault =
            on_own_thread::<()>(|| panic!("Unable to dynamically load the \"cuda\" shared library - searched for …"));
        let text = "Unable to dynamically load the \"cuda\" shared library";
        assert_eq!(fault, Err(CudaFault::Unusable(text.into())));
    }

    // True on every machine: no driver and a driver without that GPU both
    // answer, and neither panics.
    #[test]
    fn a_gpu_that_cannot_be_had_is_an_error() {
        let absent = 1_000_000;
        assert!(matches!(memory(absent), Err(DeviceError::Cuda { .. })));
        let error = bind_thread(absent).unwrap_err();
        assert!(error.to_string().starts_with("cuda:1000000: "), "{error}");
    }

    #[test]
    fn what_the_driver_shows_can_be_bound() {
        let driver = SystemDriver::find(&|name| std::env::var(name).ok());
        for ordinal in (0..).take(driver.gpu_names().unwrap_or_default().len()) {
            let binding = bind_thread(ordinal).unwrap();
            assert_eq!(binding.device(), Device::Cuda(ordinal));
            binding.make_current().unwrap();
            let memory = binding.memory().unwrap();
            assert!(memory.free <= memory.total && memory.total > 0);
            assert_eq!(super::memory(ordinal).unwrap().total, memory.total);
        }
    }
}
