//! The kernels' own source, run on the CPU by the machine's C++ compiler, thread after thread, with each
//! surface and table in memory of exactly its size: where the compiler brings AddressSanitizer, a read
//! beyond one is found without a GPU. For tests.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::device::KERNELS;
use crate::device::plan::Table;
use crate::device::surface::Surface;

/// The kernels as a program of the host.
pub(crate) struct Hosted {
    _folder: tempfile::TempDir,
    program: PathBuf,
}

const BEFORE: &str = r#"
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>
struct Where { unsigned x, y, z; };
static Where blockIdx, blockDim, threadIdx, gridDim;
#define __device__
#define __global__
#define __grid_constant__
#define COURTSIDE_HALF
static unsigned short half_of(float value) {
    uint32_t bits; memcpy(&bits, &value, 4);
    uint32_t m = bits & 0x7fffffff, h;
    if (m >= 0x38800000) { m -= 0x38000000; h = (m + 0xfff + ((m >> 13) & 1)) >> 13; }
    else { float f; memcpy(&f, &m, 4); f += 0.5f; memcpy(&h, &f, 4); h -= 0x3f000000; }
    return (unsigned short)((bits >> 16 & 0x8000) | h);
}
"#;

const AFTER: &str = r#"
static uint64_t number() { uint64_t n; if (fread(&n, 8, 1, stdin) != 1) exit(9); return n; }
template <typename T> static T* block(size_t count) {
    T* memory = (T*)malloc(count * sizeof(T));
    if (count && fread(memory, sizeof(T), count, stdin) != count) exit(9);
    return memory;
}
template <typename F> static void launch(unsigned x, unsigned y, unsigned z, F kernel) {
    gridDim = {x, y, z}; blockDim = {256, 1, 1};
    for (blockIdx.z = 0; blockIdx.z < z; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < y; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < x; blockIdx.x++)
                for (threadIdx.x = 0; threadIdx.x < 256; threadIdx.x++) kernel();
}
int main() {
    uint64_t what = number();
    if (what == 0) {
        uint64_t bytes = number(), looks = number(), w = number(), h = number(), channels = number();
        static Batch batch;
        for (uint64_t i = 0; i < looks; i++) {
            Look& look = batch.looks[i];
            uint64_t words = number(); look.table = (address)block<uint32_t>(words);
            uint64_t size = number(); look.luma = (address)block<uint8_t>(size);
            look.luma_pitch = number(); look.chroma = look.luma + number();
            look.chroma_pitch = number(); look.bytes = number(); look.row = i;
        }
        size_t values = looks * channels * w * h;
        std::vector<uint8_t> out(values * bytes);
        launch((w * h + 255) / 256, channels, looks, [&] {
            if (bytes == 4) cut_f32(batch, (float*)out.data(), w, h);
            else cut_f16(batch, (unsigned short*)out.data(), w, h);
        });
        fwrite(out.data(), 1, out.size(), stdout);
    } else {
        uint64_t bytes = what, count = number(), stride = number(), slots = number(), rows = number();
        static Moves moves;
        for (uint64_t i = 0; i < rows; i++) moves.rows[i] = number();
        uint8_t* kept = block<uint8_t>(slots * stride * bytes);
        std::vector<uint8_t> batch(rows * count * bytes);
        moves.states[0] = {(address)kept, (address)batch.data(), (unsigned)count, (unsigned)stride};
        launch((count + 255) / 256, rows, 1, [&] { if (bytes == 4) gather_32(moves); else gather_16(moves); });
        fwrite(batch.data(), 1, batch.size(), stdout);
        for (uint8_t& byte : batch) byte += 1;
        launch((count + 255) / 256, rows, 1, [&] { if (bytes == 4) scatter_32(moves); else scatter_16(moves); });
        fwrite(kept, 1, slots * stride * bytes, stdout);
    }
    return 0;
}
"#;

impl Hosted {
    /// Compiles them; `None` where this machine has no C++ compiler.
    pub(crate) fn build() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("kernels");
        let source = format!("{BEFORE}\n{KERNELS}\n{AFTER}");
        for checked in [true, false] {
            let mut compiler = Command::new("c++");
            compiler.args(["-std=c++14", "-O1", "-w", "-ffp-contract=off"]);
            if checked {
                compiler.args(["-fsanitize=address,undefined", "-fno-sanitize-recover"]);
            }
            compiler.args(["-x", "c++", "-", "-o"]).arg(&program);
            compiler.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
            let mut running = compiler.spawn().ok()?;
            let written = running.stdin.take().expect("a pipe").write_all(source.as_bytes());
            written.expect("told");
            let done = running.wait_with_output().expect("it ends");
            if done.status.success() {
                return Some(Self { _folder: folder, program });
            }
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(checked, "the kernels do not compile: {said}");
        }
        None
    }

    fn run(&self, told: &[u8]) -> Vec<u8> {
        let mut child = Command::new(&self.program)
            .env("ASAN_OPTIONS", "detect_leaks=0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        child.stdin.take().expect("a pipe").write_all(told).expect("told");
        let done = child.wait_with_output().expect("it ends");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    }

    /// What `cut_f32` (`bytes` 4) or `cut_f16` (2) writes of looks at surfaces and their memory.
    pub(crate) fn cut(&self, bytes: u64, looks: &[(&Table, &Surface, &[u8])]) -> Vec<u8> {
        let (first, _, _) = looks[0];
        let mut told = Vec::new();
        let head = [
            0,
            bytes,
            looks.len() as u64,
            u64::from(first.out.0),
            u64::from(first.out.1),
            u64::from(first.channels),
        ];
        let number = |told: &mut Vec<u8>, n: u64| told.extend(n.to_le_bytes());
        head.iter().for_each(|n| number(&mut told, *n));
        for (table, surface, memory) in looks {
            number(&mut told, table.words.len() as u64);
            table.words.iter().for_each(|word| told.extend(word.to_le_bytes()));
            let memory = &memory[..surface.bytes().expect("a surface")];
            number(&mut told, memory.len() as u64);
            told.extend_from_slice(memory);
            for n in [
                surface.luma_pitch,
                surface.chroma_offset,
                surface.chroma_pitch,
                surface.samples.bytes(),
            ] {
                number(&mut told, n as u64);
            }
        }
        self.run(&told)
    }

    /// Gathers `rows` out of `kept`, adds one to each byte, scatters them back: the batch as gathered,
    /// and all slots afterwards. Elements of `bytes`, `count` a state, slots `stride` apart.
    pub(crate) fn moves(
        &self,
        bytes: usize,
        (count, stride): (usize, usize),
        rows: &[usize],
        kept: &[u8],
    ) -> (Vec<u8>, Vec<u8>) {
        let slots = kept.len() / stride / bytes;
        let mut told = Vec::new();
        for n in [bytes, count, stride, slots, rows.len()].iter().chain(rows) {
            told.extend((*n as u64).to_le_bytes());
        }
        told.extend_from_slice(kept);
        let mut batch = self.run(&told);
        let after = batch.split_off(rows.len() * count * bytes);
        (batch, after)
    }
}

#[test]
fn states_go_to_the_batch_and_back_to_their_own_slots() {
    let Some(hosted) = Hosted::build() else { return };
    for bytes in [2, 4] {
        // More elements than a block has threads; slots apart by more than a state.
        let (count, stride, slots) = (300, 320, 5);
        let kept: Vec<u8> = (0..slots * stride * bytes).map(|n| (n * 7 + n / 251) as u8).collect();
        let rows = [3, 0, 4];
        let (batch, after) = hosted.moves(bytes, (count, stride), &rows, &kept);
        let of_slot = |slot: usize| slot * stride * bytes..(slot * stride + count) * bytes;
        let wanted: Vec<u8> = rows.iter().flat_map(|slot| kept[of_slot(*slot)].to_vec()).collect();
        assert_eq!(batch, wanted);
        let mut moved = kept.clone();
        for slot in rows {
            moved[of_slot(slot)].iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
        }
        assert_eq!(after, moved, "nothing but those states is touched");
    }
}
