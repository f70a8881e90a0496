//! What a tensor is called, and how large it is.

/// The number format of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dtype {
    Bool,
    U8,
    I8,
    I16,
    I32,
    I64,
    F16,
    Bf16,
    F32,
    F64,
}

impl Dtype {
    /// The format of a storage class of torch.
    pub(crate) fn of_storage(class: &str) -> Option<Self> {
        Some(match class {
            "torch.BoolStorage" => Self::Bool,
            "torch.ByteStorage" => Self::U8,
            "torch.CharStorage" => Self::I8,
            "torch.ShortStorage" => Self::I16,
            "torch.IntStorage" => Self::I32,
            "torch.LongStorage" => Self::I64,
            "torch.HalfStorage" => Self::F16,
            "torch.BFloat16Storage" => Self::Bf16,
            "torch.FloatStorage" => Self::F32,
            "torch.DoubleStorage" => Self::F64,
            _ => return None,
        })
    }

    /// The format of this name in a safetensors header.
    pub(crate) fn named(name: &str) -> Option<Self> {
        const ALL: [Dtype; 10] = [
            Dtype::Bool,
            Dtype::U8,
            Dtype::I8,
            Dtype::I16,
            Dtype::I32,
            Dtype::I64,
            Dtype::F16,
            Dtype::Bf16,
            Dtype::F32,
            Dtype::F64,
        ];
        ALL.into_iter().find(|dtype| dtype.name() == name)
    }

    /// The name in a safetensors header.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::U8 => "U8",
            Self::I8 => "I8",
            Self::I16 => "I16",
            Self::I32 => "I32",
            Self::I64 => "I64",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::F32 => "F32",
            Self::F64 => "F64",
        }
    }

    /// Whether the elements are numbers that can be added to in single precision.
    pub(crate) fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::Bf16 | Self::F32)
    }

    /// The bytes of one element.
    pub(crate) fn bytes(self) -> u64 {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::I16 | Self::F16 | Self::Bf16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }
}

/// A tensor without its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<u64>,
}

impl Tensor {
    /// How many bytes it has; `None` when no machine has so many.
    pub(crate) fn checked_bytes(&self) -> Option<u64> {
        let elements =
            self.shape.iter().try_fold(1_u64, |product, length| product.checked_mul(*length))?;
        elements.checked_mul(self.dtype.bytes())
    }

    pub(crate) fn elements(&self) -> u64 {
        self.shape.iter().product()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.elements() * self.dtype.bytes()
    }
}
