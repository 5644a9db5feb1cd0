#include "crayon/engine/internal/llama_log.h"

#include <mutex>

#include "llama.h"

namespace crayon::internal {
namespace {

constexpr std::size_t kMaxErrors = 4;

thread_local LlamaLogCapture* current_capture = nullptr;

void on_log(ggml_log_level level, const char* text, void*) {
  if (text == nullptr) return;
  try {  // a C callback: nothing may leave it
    if (current_capture != nullptr) current_capture->add(level, text);
  } catch (...) {
    current_capture = nullptr;
  }
}

/// "load_model: no such tensor\n" to "no such tensor": the names of C functions help no user.
std::string cleaned(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.remove_suffix(1);
  const auto colon = line.find(": ");
  if (colon != std::string_view::npos &&
      line.substr(0, colon).find(' ') == std::string_view::npos) {
    line.remove_prefix(colon + 2);
  }
  return std::string(line);
}

}  // namespace

LlamaLogCapture::LlamaLogCapture() : outer_(current_capture) { current_capture = this; }
LlamaLogCapture::~LlamaLogCapture() { current_capture = outer_; }

std::string LlamaLogCapture::reason() const {
  if (!errors_.empty()) {
    std::string all;
    for (const auto& error : errors_) all += (all.empty() ? "" : "; ") + cleaned(error);
    return all;
  }
  if (!warning_.empty()) return cleaned(warning_);
  return "no reason given";
}

void LlamaLogCapture::add(int level, std::string_view text) {
  if (level != GGML_LOG_LEVEL_CONT) {
    open_ = nullptr;
    if (level == GGML_LOG_LEVEL_ERROR && errors_.size() < kMaxErrors) {
      open_ = &errors_.emplace_back();
    }
    if (level == GGML_LOG_LEVEL_WARN) {
      warning_.clear();
      open_ = &warning_;
    }
  }
  if (open_ != nullptr) *open_ += text;
}

void start_llama() {
  static std::once_flag once;
  std::call_once(once, [] {
    llama_log_set(on_log, nullptr);
    llama_backend_init();
  });
}

}  // namespace crayon::internal
