// The number type that the network computes in. Master copies of what is trained stay in f32.
#pragma once

#include <torch/types.h>

#include <string>

namespace crayon {

enum class NumberType {
  F32,
  Bf16,  ///< Products of matrices in bfloat16; the residual stream, norms and losses in f32.
};

/// "f32", "bf16". @throws Error InvalidArgument  another name, with the known ones
[[nodiscard]] NumberType parse_number_type(const std::string& name);
[[nodiscard]] std::string to_string(NumberType type);
[[nodiscard]] torch::ScalarType scalar_type(NumberType type);

/// Rates of one product as the network does it, in GFLOP/s with the threads that torch has now.
struct NumberTypeTiming {
  double f32 = 0;
  double bf16 = 0;
};
/// Takes about a tenth of a second.
[[nodiscard]] NumberTypeTiming time_number_types(torch::Device device = torch::kCPU);

/// What "auto" stands for here: bf16 where it is at least 1.3 times as fast as f32. Resolve once
/// and record the result: two answers in one run would break reproducibility.
[[nodiscard]] NumberType choose_number_type(const NumberTypeTiming& timing);

}  // namespace crayon
