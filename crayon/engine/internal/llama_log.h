// What llama.cpp says. Its log callback is process-wide and the only place where it gives reasons:
// one callback is installed once and hands each line to the capture of the calling thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace crayon::internal {

/// Collects this thread's warnings and errors of llama.cpp while it lives. Captures nest.
class LlamaLogCapture {
 public:
  LlamaLogCapture();
  ~LlamaLogCapture();
  LlamaLogCapture(const LlamaLogCapture&) = delete;
  LlamaLogCapture& operator=(const LlamaLogCapture&) = delete;

  /// The errors, else the last warning, without C function names; "no reason given" if none.
  [[nodiscard]] std::string reason() const;

  void add(int level, std::string_view text);  ///< For the callback; `level` is a ggml_log_level.

 private:
  std::vector<std::string> errors_;
  std::string warning_;
  std::string* open_ = nullptr;  ///< Where a continued line goes on; null when it is not kept.
  LlamaLogCapture* outer_;
};

/// Starts llama.cpp once a process and installs the callback.
void start_llama();

}  // namespace crayon::internal
