#include "crayon/trainer/internal/number_type.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <chrono>

#include "crayon/base/error.h"

namespace crayon {
namespace {

// The feed-forward product of a small model on a batch of a few hundred tokens. A GPU would spend
// the time of so little on beginning it.
constexpr std::int64_t kTokens = 256, kGpuTokens = 16384, kIn = 576, kOut = 1536;
constexpr double kLeastGain = 1.3;

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void finish(torch::Device device) {
  if (device.is_cuda()) torch::cuda::synchronize(device.index());
}

// The best of a few runs: a busy neighbour must not decide.
double rate(torch::ScalarType type, torch::Device device) {
  const torch::NoGradGuard no_grad;
  const auto options = torch::TensorOptions().device(device);
  const std::int64_t tokens = device.is_cpu() ? kTokens : kGpuTokens;
  const torch::Tensor x = torch::ones({tokens, kIn}, options).to(type);
  const torch::Tensor w = torch::ones({kOut, kIn}, options).to(type);
  double best = 1e9;
  const double end = seconds_now() + 0.05;
  for (int run = 0; run < 3 || seconds_now() < end; ++run) {
    const double begin = seconds_now();
    const torch::Tensor y = at::linear(x, w);
    finish(device);
    if (run > 0) best = std::min(best, seconds_now() - begin);  // the first one sets things up
  }
  return 2e-9 * static_cast<double>(tokens * kIn * kOut) / best;
}

}  // namespace

NumberType parse_number_type(const std::string& name) {
  if (name == "f32") return NumberType::F32;
  if (name == "bf16") return NumberType::Bf16;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("number type '{}' is not known; expected f32 or bf16", name));
}

std::string to_string(NumberType type) { return type == NumberType::F32 ? "f32" : "bf16"; }

torch::ScalarType scalar_type(NumberType type) {
  return type == NumberType::F32 ? torch::kFloat : torch::kBFloat16;
}

NumberTypeTiming time_number_types(torch::Device device) {
  return {rate(torch::kFloat, device), rate(torch::kBFloat16, device)};
}

NumberType choose_number_type(const NumberTypeTiming& timing) {
  return timing.bf16 >= kLeastGain * timing.f32 ? NumberType::Bf16 : NumberType::F32;
}

}  // namespace crayon
