//! The cache of compiled programs for `eo run`.
//!
//! A program is found by a hash of all that decides its code: every source text with its name (positions name files), the compiler's own
//! sources, which libLLVM is there (it is not opened), the level of optimisation. What is found is checked against a hash of its own, so a damaged file is only a miss.

use echo_codegen::compile::JitImage;
use echo_codegen::llvm;
use echo_syntax::SourceMap;

use crate::store::Store;

/// A small program is some 30 KiB.
const LIMIT_BYTES: u64 = 64 << 20;

/// What a program is found by.
pub struct Key(blake3::Hash);

impl Key {
    pub fn new(sources: &SourceMap, level: u8) -> Key {
        let mut hasher = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        part(env!("ECHO_SOURCES").as_bytes());
        part(format!("{:?} {level}", llvm::identity()).as_bytes());
        for (_, file) in sources.files() {
            part(file.name().as_bytes());
            part(file.text().as_bytes());
        }
        Key(hasher.finalize())
    }
}

/// The cache; without a place for it, it is always empty.
pub struct Images(Option<Store>);

impl Images {
    pub fn open() -> Images {
        Images(Store::open("programs", LIMIT_BYTES))
    }

    /// A cache that keeps nothing.
    pub fn none() -> Images {
        Images(None)
    }

    pub fn find(&self, key: &Key) -> Option<JitImage> {
        let bytes = self.0.as_ref()?.read(&key.0.to_hex())?;
        let (hash, image) = bytes.split_first_chunk::<{ blake3::OUT_LEN }>()?;
        if blake3::hash(image) != *hash {
            return None;
        }
        JitImage::from_bytes(image)
    }

    /// That it cannot be kept is no error.
    pub fn keep(&self, key: &Key, image: &JitImage) {
        if let Some(store) = &self.0 {
            let bytes = image.to_bytes();
            let hash = blake3::hash(&bytes);
            let _ = store.write(
                &key.0.to_hex(),
                &[hash.as_bytes(), bytes.as_slice()].concat(),
            );
        }
    }
}
