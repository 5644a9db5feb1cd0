// The normaliser of a row of logits, without a second row: a token's log-prob is its logit less it.
#pragma once

#include <span>
#include <string>

namespace crayon::internal {

/// log sum_i exp(x_i), to about 1e-6; x has at least one number. Not finite where one of them is
/// NaN or +inf, or all are -inf.
[[nodiscard]] double log_sum_exp(std::span<const float> x);

/// The same for a row of logits. @param adapter  its name, "" for none; both are for the message
/// @throws Error CorruptFile  the sum is not finite
[[nodiscard]] double finite_log_sum_exp(std::span<const float> row, const std::string& model,
                                        const std::string& adapter);

}  // namespace crayon::internal
