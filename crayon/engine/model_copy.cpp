#include "crayon/engine/model_copy.h"

#include <fmt/format.h>
#include <unistd.h>

#include <thread>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/engine/internal/llama_handles.h"
#include "crayon/engine/internal/llama_log.h"
#include "crayon/formats/model_file.h"
#include "llama.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

llama_ftype file_type(TensorType type) {
  switch (type) {
    case TensorType::F32:
      return LLAMA_FTYPE_ALL_F32;
    case TensorType::F16:
      return LLAMA_FTYPE_MOSTLY_F16;
    case TensorType::BF16:
      return LLAMA_FTYPE_MOSTLY_BF16;
    case TensorType::Q8:
      return LLAMA_FTYPE_MOSTLY_Q8_0;
  }
  throw Error(ErrorCode::Unsupported, "a number type that no model file has");
}

/// Removes what a failed conversion left.
class Unfinished {
 public:
  explicit Unfinished(fs::path path) : path_(std::move(path)) {}
  Unfinished(const Unfinished&) = delete;
  ~Unfinished() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

void convert(const fs::path& from, TensorType type, const fs::path& to) {
  internal::start_llama();
  const internal::LlamaLogCapture log;
  llama_model_quantize_params params = llama_model_quantize_default_params();
  params.ftype = file_type(type);
  params.allow_requantize = true;  // the file's own type may be a quantised one
  params.nthread = static_cast<std::int32_t>(std::thread::hardware_concurrency());
  const auto failed = internal::guarded(
      from.string(), [&] { return llama_model_quantize(from.c_str(), to.c_str(), &params); });
  if (failed == 0) return;
  throw Error(
      ErrorCode::Incompatible,
      fmt::format("{}: llama.cpp cannot turn its weights into {}: {}; use the file as it is",
                  from.string(), to_string(type), log.reason()));
}

}  // namespace

fs::path model_copy(const fs::path& gguf, TensorType type, const fs::path& folder) {
  const std::string hash = describe_model(gguf).sha256;
  const fs::path copy = folder / fmt::format("{}-{}-llama.cpp-{}.gguf", hash.substr(0, 16),
                                             to_string(type), llama_version());
  if (file_kind(copy) == FileKind::File) return copy;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    throw Error(ErrorCode::Unavailable, fmt::format("cannot make folder {}: {}; give another one",
                                                    folder.string(), error.message()));
  }
  const Unfinished part(fmt::format("{}.{}.part", copy.string(), getpid()));
  convert(gguf, type, part.path());
  fs::rename(part.path(), copy, error);
  if (!error) return copy;
  throw Error(ErrorCode::Unavailable,
              fmt::format("cannot write {}: {}", copy.string(), error.message()));
}

}  // namespace crayon
