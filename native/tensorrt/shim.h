// What the daemon asks of TensorRT, in C: the one interface of every shim object.
//
// A shim is compiled from shim.cpp against the headers of one flavour and version, since the vtables of
// the library differ between them; the daemon opens the one that fits the library it finds
// (src/detect/engine/tensorrt.rs, whose declarations are these). No object outlives the library that it was
// made with; none is used by two threads at once. Texts end with a zero. Device addresses are CUdeviceptr,
// streams CUstream, of the context that is current for the calling thread.
#ifndef COURTSIDE_TENSORRT_SHIM_H
#define COURTSIDE_TENSORRT_SHIM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Counts up with every change of what stands below.
#define COURTSIDE_SHIM_ABI 1

typedef struct courtside_library courtside_library;
typedef struct courtside_engine courtside_engine;
typedef struct courtside_graph courtside_graph;

// Severity as TensorRT counts: 0 internal error, 1 error, 2 warning, 3 info, 4 verbose.
typedef void (*courtside_log)(void *user, int32_t severity, const char *text);
// Returns 0 to give the build up. `step` of `steps` of a phase; phases lie in each other.
typedef int32_t (*courtside_progress)(void *user, const char *phase, const char *parent, int32_t step,
                                      int32_t steps);

typedef struct {
    void *data; // of malloc; freed by courtside_shim_free
    size_t size;
} courtside_bytes;

typedef struct {
    const void *onnx;
    size_t onnx_size;
    const void *timing; // a timing cache, or NULL
    size_t timing_size;
    int32_t dla_core;     // -1: none
    int32_t for_this_gpu; // 0: for whatever GPU the library chooses; the builder then needs none
    courtside_progress progress; // or NULL
    void *progress_user;
} courtside_order;

typedef struct {
    char name[256];
    int32_t dimensions;
    int64_t shape[8];
    int32_t is_input;
    int32_t type; // 0 f32, 1 f16, else another
} courtside_tensor;

int32_t courtside_shim_abi(void);
// "tensorrt" or "tensorrt-rtx".
const char *courtside_shim_flavor(void);
// Of the headers: major * 10000 + minor * 100 + patch.
int32_t courtside_shim_headers(void);

// Opens the library and its parser in `folder`, or where the loader looks if that is NULL, and compares
// versions before any object is made. NULL: `why` says what is wrong.
courtside_library *courtside_shim_open(const char *folder, courtside_log log, void *user, char *why,
                                       size_t why_size);
int32_t courtside_shim_version(const courtside_library *library);
void courtside_shim_close(courtside_library *library);

// 0: there is a driver and a GPU. Else `why`.
int32_t courtside_shim_no_gpu(char *why, size_t why_size);

// Parses and builds. 0, and `plan` (and `timing`, if the library gives one) are filled; else `why`.
int32_t courtside_shim_build(courtside_library *library, const courtside_order *order,
                             courtside_bytes *plan, courtside_bytes *timing, char *why, size_t why_size);
void courtside_shim_free(courtside_bytes *bytes);

// Reads a plan and makes a context for it. NULL: `why`.
courtside_engine *courtside_shim_load(courtside_library *library, const void *plan, size_t size, char *why,
                                      size_t why_size);
void courtside_shim_unload(courtside_engine *engine);
int32_t courtside_shim_tensors(const courtside_engine *engine);
int32_t courtside_shim_tensor(const courtside_engine *engine, int32_t index, courtside_tensor *tensor);
int32_t courtside_shim_bind(courtside_engine *engine, const char *name, uint64_t address);
int32_t courtside_shim_enqueue(courtside_engine *engine, void *stream);
// Layers as JSON; of malloc.
int32_t courtside_shim_layers(courtside_engine *engine, courtside_bytes *json);

// Records one run into a CUDA graph; the engine must have run on this stream before, and its addresses stay.
courtside_graph *courtside_shim_capture(courtside_engine *engine, void *stream, char *why, size_t why_size);
int32_t courtside_shim_launch(courtside_graph *graph, void *stream);
void courtside_shim_forget(courtside_graph *graph);

#ifdef __cplusplus
}
#endif
#endif
