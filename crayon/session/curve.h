// Accuracy of the mix against the share that the server answers, from an evaluation.
#pragma once

#include <vector>

#include "crayon/session/evaluate.h"

namespace crayon {

struct CurvePoint {
  double server_share = 0;    ///< Of the questions that the server was asked, those sent to it.
  double accuracy = 0;        ///< Of the mix ...
  double standard_error = 0;  ///< ... binomial.
  double risk = 0;            ///< Share of all that the device answers, and wrongly.
  double threshold = 0;       ///< Least score that the device still answers.
};

/// For 0, 1, ... n questions sent, least scores first, ties in the file's order, as ServerShare
/// sends them. A reply that named no choice leaves the device's answer. Empty without a server.
[[nodiscard]] std::vector<CurvePoint> server_share_curve(const Evaluation& evaluation);

}  // namespace crayon
