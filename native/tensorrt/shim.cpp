// TensorRT behind shim.h. One source for TensorRT 10.x, 11.x and TensorRT-RTX; compiled once a flavour and
// version, never against what is not this version's (see shim.h).
//
// Networks are strongly typed everywhere: FP16 and INT8 are what the ONNX file says (QDQ), there is no
// calibrator and no precision flag. Nothing of TensorRT or CUDA is linked: four functions of the library and a
// few of the driver are looked up by name, all else is virtual.
#include "shim.h"

#include <NvInfer.h>
#include <NvOnnxParser.h>

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <vector>

namespace {

#if defined(TRT_MAJOR_RTX)
constexpr bool kRtx = true;
constexpr char const *kFlavor = "tensorrt-rtx";
#define SONAME(rtx, enterprise) rtx ".1"
#else
constexpr bool kRtx = false;
constexpr char const *kFlavor = "tensorrt";
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#if NV_TENSORRT_MAJOR == 10
#define SONAME(rtx, enterprise) enterprise ".10"
#elif NV_TENSORRT_MAJOR == 11
#define SONAME(rtx, enterprise) enterprise ".11"
#else
#error "a major version of TensorRT that nobody has looked at: read what its headers changed, then add it"
#endif
#endif

constexpr int32_t kMajor = NV_TENSORRT_MAJOR;
constexpr int32_t kMinor = NV_TENSORRT_MINOR;
constexpr int32_t kHeaders = kMajor * 10000 + kMinor * 100 + NV_TENSORRT_PATCH;
constexpr char const *kInfer = SONAME("libtensorrt_rtx.so", "libnvinfer.so");
constexpr char const *kParser = SONAME("libtensorrt_onnxparser_rtx.so", "libnvonnxparser.so");

// How much memory a layer may use while it runs: no network here is worth more (chosen).
constexpr size_t kWorkspace = size_t{256} << 20;

void say(char *why, size_t size, std::string const &text) {
    if (why != nullptr && size > 0) {
        std::snprintf(why, size, "%s", text.c_str());
    }
}

// Hands on what the library says, and keeps the last error, which is the reason when a call gives nothing.
class Logger : public nvinfer1::ILogger {
  public:
    Logger(courtside_log log, void *user) : log_(log), user_(user) {}

    void log(Severity severity, char const *text) noexcept override {
        if (severity <= Severity::kERROR) {
            std::lock_guard<std::mutex> lock(mutex_);
            try {
                last_ = text;
            } catch (...) {
            }
        }
        if (log_ != nullptr) {
            log_(user_, static_cast<int32_t>(severity), text);
        }
    }

    void forget() {
        std::lock_guard<std::mutex> lock(mutex_);
        last_.clear();
    }

    std::string because(std::string const &what) {
        std::lock_guard<std::mutex> lock(mutex_);
        return last_.empty() ? what : what + ": " + last_;
    }

  private:
    courtside_log log_;
    void *user_;
    std::mutex mutex_;
    std::string last_;
};

class Monitor : public nvinfer1::IProgressMonitor {
  public:
    Monitor(courtside_progress progress, void *user) : progress_(progress), user_(user) {}

    void phaseStart(char const *phase, char const *parent, int32_t steps) noexcept override {
        std::lock_guard<std::mutex> lock(mutex_);
        try {
            open_.push_back({phase, parent == nullptr ? "" : parent, steps});
        } catch (...) {
        }
        tell(phase, 0);
    }

    bool stepComplete(char const *phase, int32_t step) noexcept override {
        std::lock_guard<std::mutex> lock(mutex_);
        return tell(phase, step + 1);
    }

    void phaseFinish(char const *phase) noexcept override {
        std::lock_guard<std::mutex> lock(mutex_);
        for (size_t at = open_.size(); at-- > 0;) {
            if (open_[at].name == phase) {
                tell(phase, open_[at].steps);
                open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(at));
                return;
            }
        }
    }

  private:
    struct Phase {
        std::string name;
        std::string parent;
        int32_t steps;
    };

    bool tell(char const *phase, int32_t step) noexcept {
        for (Phase const &open : open_) {
            if (open.name == phase) {
                return progress_(user_, phase, open.parent.c_str(), step, open.steps) != 0;
            }
        }
        return true;
    }

    courtside_progress progress_;
    void *user_;
    std::mutex mutex_;
    std::vector<Phase> open_;
};

// The driver's functions, looked up once.
struct Driver {
    std::string missing;
    int (*init)(unsigned) = nullptr;
    int (*count)(int *) = nullptr;
    int (*begin)(void *, int) = nullptr;
    int (*end)(void *, void **) = nullptr;
    int (*instantiate)(void **, void *, unsigned long long) = nullptr;
    int (*launch)(void *, void *) = nullptr;
    int (*destroy_graph)(void *) = nullptr;
    int (*destroy)(void *) = nullptr;

    Driver() {
        void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr) {
            char const *error = dlerror();
            missing = std::string("no NVIDIA driver: ") + (error == nullptr ? "libcuda.so.1" : error);
            return;
        }
        look(library, "cuInit", init);
        look(library, "cuDeviceGetCount", count);
        look(library, "cuStreamBeginCapture_v2", begin);
        look(library, "cuStreamEndCapture", end);
        look(library, "cuGraphInstantiateWithFlags", instantiate);
        look(library, "cuGraphLaunch", launch);
        look(library, "cuGraphDestroy", destroy_graph);
        look(library, "cuGraphExecDestroy", destroy);
    }

    template <class F> void look(void *library, char const *name, F &function) {
        function = reinterpret_cast<F>(dlsym(library, name));
        if (function == nullptr && missing.empty()) {
            missing = std::string("the NVIDIA driver is too old: it has no ") + name;
        }
    }

    static Driver &get() {
        static Driver driver;
        return driver;
    }

    // Empty: there is a GPU. Asked before every call that would touch one: without a driver, some versions of
    // the library give out a pointer to nothing.
    std::string no_gpu() {
        if (!missing.empty()) {
            return missing;
        }
        int devices = 0;
        int status = init(0);
        if (status == 0) {
            status = count(&devices);
        }
        if (status != 0) {
            return "the NVIDIA driver cannot be used: CUDA error " + std::to_string(status);
        }
        return devices > 0 ? "" : "the NVIDIA driver has no GPU";
    }
};

std::string version_text(int32_t version) {
    return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
           std::to_string(version % 100);
}

// May this shim use a library of that version? TensorRT keeps its vtables within a major version and appends
// to them; TensorRT-RTX is young, and does not promise that.
bool fits(int32_t version) {
    int32_t const major = version / 10000;
    int32_t const minor = version / 100 % 100;
    return major == kMajor && (kRtx ? minor == kMinor : minor >= kMinor);
}

bool keep(courtside_bytes *bytes, void const *data, size_t size) {
    bytes->data = std::malloc(size == 0 ? 1 : size);
    if (bytes->data == nullptr) {
        return false;
    }
    std::memcpy(bytes->data, data, size);
    bytes->size = size;
    return true;
}

} // namespace

struct courtside_library {
    std::unique_ptr<Logger> logger;
    void *infer = nullptr;
    void *parser = nullptr;
    void *(*make_builder)(void *, int32_t) = nullptr;
    void *(*make_runtime)(void *, int32_t) = nullptr;
    void *(*make_parser)(void *, void *, int) = nullptr;
    int32_t version = 0;
};

struct courtside_engine {
    courtside_library *library = nullptr;
    std::unique_ptr<nvinfer1::IRuntime> runtime;
    std::unique_ptr<nvinfer1::ICudaEngine> engine;
    std::unique_ptr<nvinfer1::IExecutionContext> context;
};

struct courtside_graph {
    void *graph = nullptr;
    void *executable = nullptr;
};

int32_t courtside_shim_abi(void) { return COURTSIDE_SHIM_ABI; }
char const *courtside_shim_flavor(void) { return kFlavor; }
int32_t courtside_shim_headers(void) { return kHeaders; }

courtside_library *courtside_shim_open(char const *folder, courtside_log log, void *user, char *why,
                                       size_t why_size) {
    auto path = [&](char const *name) {
        return folder == nullptr ? std::string(name) : std::string(folder) + "/" + name;
    };
    auto open = [&](char const *name, bool wanted) -> void * {
        void *library = dlopen(path(name).c_str(), RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr && wanted) {
            char const *error = dlerror();
            say(why, why_size, error == nullptr ? path(name) + " cannot be opened" : error);
        }
        return library;
    };
    std::unique_ptr<courtside_library> library(new (std::nothrow) courtside_library);
    if (!library) {
        say(why, why_size, "no memory");
        return nullptr;
    }
    library->infer = open(kInfer, true);
    if (library->infer == nullptr) {
        return nullptr;
    }
    auto version = reinterpret_cast<int32_t (*)()>(dlsym(library->infer, "getInferLibVersion"));
    if (version == nullptr) {
        say(why, why_size, path(kInfer) + " says no version: it is no TensorRT");
        return nullptr;
    }
    library->version = version();
    if (!fits(library->version)) {
        say(why, why_size,
            path(kInfer) + " is version " + version_text(library->version) + ", and this shim is made for " +
                std::to_string(kMajor) + "." + std::to_string(kMinor) + (kRtx ? "" : " or newer of the same major"));
        return nullptr;
    }
    auto look = [&](void *in, char const *name, auto &function) {
        function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(in, name));
    };
    look(library->infer, "createInferBuilder_INTERNAL", library->make_builder);
    look(library->infer, "createInferRuntime_INTERNAL", library->make_runtime);
    if (library->make_runtime == nullptr) {
        say(why, why_size, path(kInfer) + " makes no runtime");
        return nullptr;
    }
    // Without a parser nothing can be built; a plan that is there can be run.
    library->parser = open(kParser, false);
    if (library->parser != nullptr) {
        look(library->parser, "createNvOnnxParser_INTERNAL", library->make_parser);
    }
    library->logger = std::make_unique<Logger>(log, user);
    return library.release();
}

int32_t courtside_shim_version(courtside_library const *library) { return library->version; }

// The library itself stays loaded, since it has threads of its own and objects in the driver; so does the logger,
// which it keeps for whatever is made later in this process.
void courtside_shim_close(courtside_library *library) {
    if (library != nullptr) {
        static_cast<void>(library->logger.release());
        delete library;
    }
}

int32_t courtside_shim_no_gpu(char *why, size_t why_size) {
    std::string const none = Driver::get().no_gpu();
    say(why, why_size, none);
    return none.empty() ? 0 : 1;
}

int32_t courtside_shim_build(courtside_library *library, courtside_order const *order, courtside_bytes *plan,
                             courtside_bytes *timing, char *why, size_t why_size) {
    Logger &logger = *library->logger;
    logger.forget();
    auto fail = [&](std::string const &what) {
        say(why, why_size, logger.because(what));
        return 1;
    };
    if (library->make_builder == nullptr || library->make_parser == nullptr) {
        return fail(std::string("this installation builds nothing: it needs ") + kInfer +
                    " with a builder, and " + kParser);
    }
    if (!kRtx || order->for_this_gpu != 0) {
        std::string const none = Driver::get().no_gpu();
        if (!none.empty()) {
            return fail(none);
        }
    }
    std::unique_ptr<nvinfer1::IBuilder> builder(
        static_cast<nvinfer1::IBuilder *>(library->make_builder(&logger, NV_TENSORRT_VERSION)));
    if (!builder) {
        return fail("no builder");
    }
#if defined(TRT_MAJOR_RTX) || NV_TENSORRT_MAJOR >= 11
    uint32_t const flags = 0;
#else
    uint32_t const flags = 1U << static_cast<uint32_t>(nvinfer1::NetworkDefinitionCreationFlag::kSTRONGLY_TYPED);
#endif
    std::unique_ptr<nvinfer1::INetworkDefinition> network(builder->createNetworkV2(flags));
    if (!network) {
        return fail("no network");
    }
    std::unique_ptr<nvonnxparser::IParser> parser(static_cast<nvonnxparser::IParser *>(
        library->make_parser(network.get(), &logger, NV_ONNX_PARSER_VERSION)));
    if (!parser) {
        return fail("no parser");
    }
    if (!parser->parse(order->onnx, order->onnx_size)) {
        std::string errors;
        for (int32_t at = 0; at < parser->getNbErrors() && at < 3; ++at) {
            nvonnxparser::IParserError const *error = parser->getError(at);
            errors += std::string(errors.empty() ? "" : "; ") + error->desc();
        }
        return fail("the file cannot be parsed" + (errors.empty() ? "" : " (" + errors + ")"));
    }
    std::unique_ptr<nvinfer1::IBuilderConfig> config(builder->createBuilderConfig());
    if (!config) {
        return fail("no configuration");
    }
    config->setMemoryPoolLimit(nvinfer1::MemoryPoolType::kWORKSPACE, kWorkspace);
    config->setProfilingVerbosity(nvinfer1::ProfilingVerbosity::kDETAILED);
    // What is written in single precision is computed in it; who wants it faster takes the file in half.
    config->clearFlag(nvinfer1::BuilderFlag::kTF32);
    if (order->dla_core >= 0) {
        if (kRtx || builder->getNbDLACores() <= order->dla_core) {
            return fail("there is no DLA core " + std::to_string(order->dla_core));
        }
        config->setDefaultDeviceType(nvinfer1::DeviceType::kDLA);
        config->setDLACore(order->dla_core);
        config->setFlag(nvinfer1::BuilderFlag::kGPU_FALLBACK);
    }
#if defined(TRT_MAJOR_RTX)
    if (order->for_this_gpu != 0) {
        config->setNbComputeCapabilities(1);
        if (!config->setComputeCapability(nvinfer1::ComputeCapability::kCURRENT, 0)) {
            return fail("the GPU's capability is not told");
        }
    }
#endif
    std::unique_ptr<nvinfer1::ITimingCache> known(config->createTimingCache(order->timing, order->timing_size));
    if (!known && order->timing_size > 0) {
        // A cache of another version is no reason not to build.
        known.reset(config->createTimingCache(nullptr, 0));
    }
    if (known) {
        config->setTimingCache(*known, false);
    }
    std::unique_ptr<Monitor> monitor;
    if (order->progress != nullptr) {
        monitor = std::make_unique<Monitor>(order->progress, order->progress_user);
        config->setProgressMonitor(monitor.get());
    }
    std::unique_ptr<nvinfer1::IHostMemory> built(builder->buildSerializedNetwork(*network, *config));
    if (!built || built->size() == 0) {
        return fail("the network cannot be built");
    }
    if (!keep(plan, built->data(), built->size())) {
        return fail("no memory");
    }
    timing->data = nullptr;
    timing->size = 0;
    if (nvinfer1::ITimingCache const *learnt = config->getTimingCache()) {
        std::unique_ptr<nvinfer1::IHostMemory> bytes(learnt->serialize());
        if (bytes) {
            keep(timing, bytes->data(), bytes->size());
        }
    }
    return 0;
}

void courtside_shim_free(courtside_bytes *bytes) {
    std::free(bytes->data);
    bytes->data = nullptr;
    bytes->size = 0;
}

courtside_engine *courtside_shim_load(courtside_library *library, void const *plan, size_t size, char *why,
                                      size_t why_size) {
    Logger &logger = *library->logger;
    logger.forget();
    auto fail = [&](std::string const &what) -> courtside_engine * {
        say(why, why_size, logger.because(what));
        return nullptr;
    };
    std::string const none = Driver::get().no_gpu();
    // TensorRT-RTX makes its runtime without a GPU and says the rest itself.
    if (!none.empty() && !kRtx) {
        return fail(none);
    }
    if (plan == nullptr || size == 0) {
        return fail("the plan is empty");
    }
    auto loaded = std::make_unique<courtside_engine>();
    loaded->library = library;
    loaded->runtime.reset(
        static_cast<nvinfer1::IRuntime *>(library->make_runtime(&logger, NV_TENSORRT_VERSION)));
    if (!loaded->runtime) {
        return fail("no runtime");
    }
    loaded->engine.reset(loaded->runtime->deserializeCudaEngine(plan, size));
    if (!loaded->engine) {
        return fail(none.empty() ? "the plan is refused" : none + "; the plan is refused");
    }
    if (!none.empty()) {
        return fail(none);
    }
    loaded->context.reset(loaded->engine->createExecutionContext());
    if (!loaded->context) {
        return fail("no context");
    }
    return loaded.release();
}

void courtside_shim_unload(courtside_engine *engine) {
    if (engine != nullptr) {
        engine->context.reset();
        engine->engine.reset();
        engine->runtime.reset();
        delete engine;
    }
}

int32_t courtside_shim_tensors(courtside_engine const *engine) { return engine->engine->getNbIOTensors(); }

int32_t courtside_shim_tensor(courtside_engine const *engine, int32_t index, courtside_tensor *tensor) {
    char const *name = engine->engine->getIOTensorName(index);
    if (name == nullptr || std::strlen(name) >= sizeof tensor->name) {
        return 1;
    }
    std::snprintf(tensor->name, sizeof tensor->name, "%s", name);
    nvinfer1::Dims const shape = engine->engine->getTensorShape(name);
    tensor->dimensions = shape.nbDims < 0 || shape.nbDims > 8 ? 0 : shape.nbDims;
    for (int32_t at = 0; at < tensor->dimensions; ++at) {
        tensor->shape[at] = shape.d[at];
    }
    tensor->is_input = engine->engine->getTensorIOMode(name) == nvinfer1::TensorIOMode::kINPUT;
    nvinfer1::DataType const type = engine->engine->getTensorDataType(name);
    tensor->type = type == nvinfer1::DataType::kFLOAT ? 0 : type == nvinfer1::DataType::kHALF ? 1 : 2;
    return 0;
}

int32_t courtside_shim_bind(courtside_engine *engine, char const *name, uint64_t address) {
    return engine->context->setTensorAddress(name, reinterpret_cast<void *>(address)) ? 0 : 1;
}

int32_t courtside_shim_enqueue(courtside_engine *engine, void *stream) {
    return engine->context->enqueueV3(static_cast<cudaStream_t>(stream)) ? 0 : 1;
}

int32_t courtside_shim_layers(courtside_engine *engine, courtside_bytes *json) {
    std::unique_ptr<nvinfer1::IEngineInspector> inspector(engine->engine->createEngineInspector());
    if (!inspector) {
        return 1;
    }
    char const *text = inspector->getEngineInformation(nvinfer1::LayerInformationFormat::kJSON);
    return text != nullptr && keep(json, text, std::strlen(text)) ? 0 : 1;
}

courtside_graph *courtside_shim_capture(courtside_engine *engine, void *stream, char *why, size_t why_size) {
    Driver &driver = Driver::get();
    if (!driver.missing.empty()) {
        say(why, why_size, driver.missing);
        return nullptr;
    }
    // Of this thread alone: what others do with the device meanwhile does not spoil the recording.
    int status = driver.begin(stream, 1);
    if (status != 0) {
        say(why, why_size, "nothing can be recorded: CUDA error " + std::to_string(status));
        return nullptr;
    }
    bool const ran = engine->context->enqueueV3(static_cast<cudaStream_t>(stream));
    auto recorded = std::make_unique<courtside_graph>();
    status = driver.end(stream, &recorded->graph);
    if (ran && status == 0 && recorded->graph != nullptr) {
        status = driver.instantiate(&recorded->executable, recorded->graph, 0);
        if (status == 0) {
            return recorded.release();
        }
    }
    if (recorded->graph != nullptr) {
        driver.destroy_graph(recorded->graph);
    }
    say(why, why_size, engine->library->logger->because("no graph: CUDA error " + std::to_string(status)));
    return nullptr;
}

int32_t courtside_shim_launch(courtside_graph *graph, void *stream) {
    return Driver::get().launch(graph->executable, stream);
}

void courtside_shim_forget(courtside_graph *graph) {
    if (graph != nullptr) {
        Driver::get().destroy(graph->executable);
        Driver::get().destroy_graph(graph->graph);
        delete graph;
    }
}
