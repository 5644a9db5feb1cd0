#include "tests/e2e/same_logits.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <sstream>
#include <stdexcept>

#include "crayon/base/bytes.h"
#include "crayon/base/files.h"
#include "crayon/testing/random.h"

namespace crayon {

std::vector<float> llama_only_logits(const LlamaOnlyRun& run, std::span<const int> tokens) {
  const char* program = std::getenv("CRAYON_LLAMA_ONLY");
  if (program == nullptr) throw std::runtime_error("CRAYON_LLAMA_ONLY is not set: run it by ctest");
  const TemporaryFolder folder;
  const auto out = folder.path() / "logits";
  std::ostringstream command;
  command << program << " '" << run.model.string() << "' '"
          << (run.task.empty() ? "-" : run.task.string()) << "' " << run.threads << " "
          << run.context_tokens << " '" << out.string() << "'";
  for (const int token : tokens) command << " " << token;
  if (std::system(command.str().c_str()) != 0) {
    throw std::runtime_error("failed: " + command.str());
  }
  const auto bytes = read_file(out);
  std::vector<float> logits(bytes.size() / sizeof(float));
  std::memcpy(logits.data(), bytes.data(), logits.size() * sizeof(float));
  return logits;
}

float largest_difference(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size() || a.empty()) return std::numeric_limits<float>::infinity();
  float most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const float difference = std::abs(a[i] - b[i]);
    if (!(difference <= most)) most = difference;  // NaN counts as the largest
  }
  return most;
}

}  // namespace crayon
