//! Which execution provider a device needs. A device that was asked for and cannot be had is an error.

use std::path::Path;

use ort::ep;
use ort::ep::ExecutionProviderDispatch;

use crate::device::Device;

/// The providers of a device, most wanted first; none for the CPU, which is always there.
///
/// # Errors
/// For devices ONNX Runtime does not run on.
pub fn providers(device: Device, tensorrt: bool, cache: &Path) -> Result<Vec<ExecutionProviderDispatch>, String> {
    match device {
        Device::Cpu => Ok(Vec::new()),
        Device::Cuda(ordinal) => {
            let id = i32::try_from(ordinal).map_err(|_| format!("cuda:{ordinal} is no device number"))?;
            // ORT logs a failed provider and goes on with the CPU unless it is told otherwise.
            let cuda = ep::CUDA::default().with_device_id(id).build().error_on_failure();
            if !tensorrt {
                return Ok(vec![cuda]);
            }
            let trt = ep::TensorRT::default()
                .with_device_id(id)
                .with_engine_cache(true)
                .with_engine_cache_path(cache.display())
                .with_timing_cache(true)
                .with_timing_cache_path(cache.display())
                .build()
                .error_on_failure();
            Ok(vec![trt, cuda])
        }
        Device::Ipu(_) => Err("ONNX models do not run on IPUs; IPU replicas run Python pipelines".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_needs_none_a_gpu_one_and_an_ipu_is_refused() {
        let names = |device, trt| {
            let list = providers(device, trt, Path::new("cache")).unwrap();
            list.iter().map(ExecutionProviderDispatch::name).collect::<Vec<_>>()
        };
        assert!(names(Device::Cpu, true).is_empty());
        assert_eq!(names(Device::Cuda(1), false), ["CUDAExecutionProvider"]);
        assert_eq!(
            names(Device::Cuda(0), true),
            ["TensorrtExecutionProvider", "CUDAExecutionProvider"]
        );
        let ipu: Device = "ipu:0".parse().unwrap();
        let refused = providers(ipu, false, Path::new("cache")).err();
        assert!(refused.is_some_and(|reason| reason.contains("Python")));
    }
}
