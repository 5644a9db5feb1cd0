#include "tests/e2e/same_logits.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iomanip>
#include <limits>
#include <sstream>
#include <stdexcept>

#include "crayon/base/bytes.h"
#include "crayon/base/files.h"
#include "crayon/testing/random.h"

namespace crayon {

namespace {

/// Runs the program with these arguments.
void run_llama_only(const std::string& arguments) {
  const char* program = std::getenv("CRAYON_LLAMA_ONLY");
  if (program == nullptr) throw std::runtime_error("CRAYON_LLAMA_ONLY is not set: run it by ctest");
  const std::string command = std::string(program) + " " + arguments;
  if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
}

double log_sum_exp(std::span<const float> row) {
  const double most = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (const float logit : row) sum += std::exp(logit - most);
  return most + std::log(sum);
}

}  // namespace

std::vector<float> llama_only_logits(const LlamaOnlyRun& run, std::span<const int> tokens) {
  const TemporaryFolder folder;
  const auto out = folder.path() / "logits";
  std::ostringstream arguments;
  arguments << std::setprecision(9) << "'" << run.model.string() << "' " << run.threads << " "
            << run.context_tokens << " '" << out.string() << "'";
  for (const auto& lora : run.loras) {
    arguments << " '" << lora.file.string() << ":" << lora.scale << "'";
  }
  arguments << " --";
  for (const int token : tokens) arguments << " " << token;
  run_llama_only(arguments.str());
  const auto bytes = read_file(out);
  std::vector<float> logits(bytes.size() / sizeof(float));
  std::memcpy(logits.data(), bytes.data(), logits.size() * sizeof(float));
  return logits;
}

void write_f16_copy(const std::filesystem::path& model, const std::filesystem::path& out) {
  run_llama_only("--f16 '" + model.string() + "' '" + out.string() + "'");
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

double mean_kl(const Matrix& p, std::span<const float> q) {
  if (p.data.size() != q.size() || q.empty()) return std::numeric_limits<double>::infinity();
  double sum = 0;
  for (std::size_t i = 0; i < p.rows; ++i) {
    const auto x = p.row(i);
    const auto y = q.subspan(i * p.cols, p.cols);
    const double x_norm = log_sum_exp(x), y_norm = log_sum_exp(y);
    for (std::size_t k = 0; k < p.cols; ++k) {
      const double log_p = x[k] - x_norm;
      sum += std::exp(log_p) * (log_p - (y[k] - y_norm));
    }
  }
  return sum / static_cast<double>(p.rows);
}

}  // namespace crayon
