#include "crayon/session/curve.h"

#include <algorithm>
#include <cmath>

namespace crayon {

std::vector<CurvePoint> server_share_curve(const Evaluation& evaluation) {
  struct Row {
    double score = 0;
    bool device = false;
    bool mix_if_sent = false;
    bool unread = false;  // sent, but the device answers
  };
  const Router router({.mode = RouteMode::ServerShare});
  std::vector<Row> rows;
  double right = 0;
  double wrong = 0;  // of the device's, among those that it still answers
  for (const QuestionDetail& detail : evaluation.details) {
    if (!detail.server) continue;
    const SideDetail& device = detail.blended;
    const bool unread = detail.answer && !detail.server->choice;
    rows.push_back({router.score({.confidence = device.confidence, .scope = device.scope}),
                    device.right, unread ? device.right : detail.server->right, unread});
    (device.right ? right : wrong) += 1;
  }
  if (rows.empty()) return {};
  std::ranges::stable_sort(rows, {}, &Row::score);
  const auto n = static_cast<double>(rows.size());
  std::vector<CurvePoint> curve;
  for (std::size_t sent = 0; sent <= rows.size(); ++sent) {
    const double p = right / n;
    const double threshold = sent < rows.size() ? rows[sent].score : 1;
    curve.push_back(
        {static_cast<double>(sent) / n, p, std::sqrt(p * (1 - p) / n), wrong / n, threshold});
    if (sent == rows.size()) break;
    right += (rows[sent].mix_if_sent ? 1 : 0) - (rows[sent].device ? 1 : 0);
    wrong -= rows[sent].device || rows[sent].unread ? 0 : 1;
  }
  return curve;
}

}  // namespace crayon
