// The kernels of a box's GPU: `cut` makes a network's input of pictures, `gather` and `scatter` move its
// states. Compiled at start by NVRTC for the device's own capability; `device/plan.rs` lays out what they
// are given and says why nothing is read outside a picture, `device/reference.rs` says the same in Rust.
// They include nothing, since NVRTC brings no headers.

#define LOOKS 64
#define STATES 32

typedef unsigned long long address;

struct Look {
    address luma, chroma, table;
    unsigned luma_pitch, chroma_pitch, bytes, row;
};
struct Batch {
    Look looks[LOOKS];
};
struct State {
    address slots, batch;
    unsigned count, stride;
};
struct Moves {
    State states[STATES];
    unsigned rows[LOOKS];
};

// One value of channel `channel` at column x, row y; weights are floats stored as words.
static __device__ float value_of(const Look& look, unsigned channel, unsigned x, unsigned y, unsigned out_w,
                                 unsigned out_h) {
    const unsigned* table = (const unsigned*)look.table;
    const unsigned* part = table + table[channel];
    if (x < part[5] || x >= part[6] || y < part[7] || y >= part[8]) return 0.5f;
    unsigned step = part[1], across = part[3], down = part[4];
    const unsigned* firsts = part + 9;
    unsigned first_x = firsts[x], first_y = firsts[out_w + y];
    const float* weights = (const float*)(firsts + out_w + out_h);
    const float* wx = weights + x * across;
    const float* wy = weights + out_w * across + y * down;
    const unsigned char* plane = (const unsigned char*)(part[0] == 0 ? look.luma : look.chroma);
    address pitch = part[0] == 0 ? look.luma_pitch : look.chroma_pitch;
    plane += (address)first_y * pitch + ((address)first_x * step + part[2]) * look.bytes;
    float sum = 0.0f;
    for (unsigned j = 0; j < down; j++, plane += pitch) {
        float line = 0.0f;
        if (look.bytes == 1) {
            for (unsigned i = 0; i < across; i++) line += wx[i] * (float)plane[i * step];
        } else {
            const unsigned short* wide = (const unsigned short*)plane;
            for (unsigned i = 0; i < across; i++) line += wx[i] * (float)wide[i * step];
        }
        sum += wy[j] * line;
    }
    // Ten bits stand in the upper ones of sixteen: a 256th of them is what eight bits would say.
    return sum * (look.bytes == 1 ? 1.0f / 255.0f : 1.0f / (255.0f * 256.0f));
}

#ifndef COURTSIDE_HALF
static __device__ unsigned short half_of(float value) {
    unsigned short half;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(value));
    return half;
}
#endif

// Grid: values of a channel by blocks, channels, looks.
extern "C" __global__ void cut_f32(const __grid_constant__ Batch batch, float* out, unsigned out_w, unsigned out_h) {
    unsigned at = blockIdx.x * blockDim.x + threadIdx.x, area = out_w * out_h;
    if (at >= area) return;
    const Look& look = batch.looks[blockIdx.z];
    address place = ((address)look.row * gridDim.y + blockIdx.y) * area + at;
    out[place] = value_of(look, blockIdx.y, at % out_w, at / out_w, out_w, out_h);
}

extern "C" __global__ void cut_f16(const __grid_constant__ Batch batch, unsigned short* out, unsigned out_w, unsigned out_h) {
    unsigned at = blockIdx.x * blockDim.x + threadIdx.x, area = out_w * out_h;
    if (at >= area) return;
    const Look& look = batch.looks[blockIdx.z];
    address place = ((address)look.row * gridDim.y + blockIdx.y) * area + at;
    out[place] = half_of(value_of(look, blockIdx.y, at % out_w, at / out_w, out_w, out_h));
}

// Grid: elements of a state by blocks, rows of the batch, states.
template <typename T, bool INTO_SLOTS>
static __device__ void move(const Moves& moves) {
    const State& state = moves.states[blockIdx.z];
    unsigned at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= state.count) return;
    T* slot = (T*)state.slots + (address)moves.rows[blockIdx.y] * state.stride + at;
    T* row = (T*)state.batch + (address)blockIdx.y * state.count + at;
    if (INTO_SLOTS) *slot = *row;
    else *row = *slot;
}

extern "C" __global__ void gather_32(const __grid_constant__ Moves moves) { move<unsigned, false>(moves); }
extern "C" __global__ void gather_16(const __grid_constant__ Moves moves) { move<unsigned short, false>(moves); }
extern "C" __global__ void scatter_32(const __grid_constant__ Moves moves) { move<unsigned, true>(moves); }
extern "C" __global__ void scatter_16(const __grid_constant__ Moves moves) { move<unsigned short, true>(moves); }
