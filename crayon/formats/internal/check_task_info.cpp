#include <algorithm>
#include <cmath>

#include "crayon/adapter/blend.h"
#include "crayon/formats/internal/messages.h"
#include "crayon/formats/internal/task_info.h"

namespace crayon {
namespace {

constexpr double kNormTolerance = 1e-3;

template <typename T>
void check_finite(const std::vector<T>& values, const char* what, const std::string& file) {
  for (const T value : values) {
    if (!std::isfinite(value)) {
      throw corrupt(file, "{} hold {}, expected finite numbers", what, value);
    }
  }
}

void check_size(std::size_t found, std::size_t wanted, const char* what, const std::string& file) {
  if (found != wanted) throw corrupt(file, "{} are {}, expected {}", what, found, wanted);
}

/// Does a matrix hold what its shape says?
void check_matrix(const Matrix& matrix, const char* what, const std::string& file) {
  check_size(matrix.data.size(), matrix.rows * matrix.cols, what, file);
  check_finite(matrix.data, what, file);
}

void check_whitening(const TaskInfo& info, const std::string& file) {
  const Whitening& whitening = info.whitening;
  check_finite(whitening.mean, "the whitening's means", file);
  check_matrix(whitening.projection, "the whitening's numbers", file);
  if (whitening.mean.empty() && whitening.projection.data.empty()) return;  // a task without scope
  check_size(whitening.mean.size(), static_cast<std::size_t>(info.base.d_model),
             "the whitening's means", file);
  check_size(whitening.projection.cols, whitening.mean.size(), "the whitening's columns", file);
}

void check_scope(const TaskInfo& info, const std::string& file) {
  const Matrix& z = info.scope_examples;
  check_matrix(z, "the scope's numbers", file);
  if (z.rows == 0) return;
  check_size(z.cols, info.whitening.projection.rows, "the scope's columns", file);
  for (std::size_t row = 0; row < z.rows; ++row) {
    double norm = 0;
    for (const float v : z.row(row)) norm += static_cast<double>(v) * v;
    if (std::fabs(std::sqrt(norm) - 1) > kNormTolerance) {
      throw corrupt(file, "scope example {} has norm {}, expected 1", row, std::sqrt(norm));
    }
  }
}

void check_scope_model_of(const TaskInfo& info, const std::string& file) {
  try {
    check_scope_model(info.scope, "scope model");
  } catch (const Error& error) {
    throw corrupt(file, "{}", error.what());
  }
}

void check_head(const TaskInfo& info, const std::string& file) {
  const Head& head = info.head;
  const auto& labels = head.labels;
  if (std::adjacent_find(labels.begin(), labels.end(), std::greater_equal<>()) != labels.end()) {
    throw corrupt(file, "the head's labels do not ascend");
  }
  check_finite(head.bias, "the head's biases", file);
  if (!head.bias.empty()) check_size(head.bias.size(), labels.size(), "the head's biases", file);
  check_matrix(head.probe, "the probe's numbers", file);
  if (!std::isfinite(head.probe_weight)) throw corrupt(file, "the probe's weight is not finite");
  check_finite(head.choice_probe, "the choice probe's numbers", file);
  if (!head.choice_probe.empty()) {
    check_size(head.choice_probe.size(), static_cast<std::size_t>(info.base.d_model),
               "the choice probe's numbers", file);
  }
  if (head.probe.rows == 0) return;
  check_size(head.probe.rows, labels.size(), "the probe's rows", file);
  check_size(head.probe.cols, info.whitening.projection.rows + 1, "the probe's columns", file);
}

}  // namespace

void check_task_info(const TaskInfo& info, const std::string& base_id, const std::string& file) {
  if (base_id != info.base.id()) {
    throw corrupt(file, "the adapter is made for base {}, the task for {}", in_quotes(base_id),
                  in_quotes(info.base.id()));
  }
  if (info.mode != to_string(BlendMode::Exact) && info.mode != to_string(BlendMode::LowRank)) {
    throw corrupt(file, "the mode is {}, expected 'exact' or 'lowrank'", in_quotes(info.mode));
  }
  if (!(info.relative_error >= 0) || !std::isfinite(info.relative_error)) {
    throw corrupt(file, "the relative error is {}, expected at least 0", info.relative_error);
  }
  const Calibration server = info.server.value_or(Calibration{});
  const std::vector<double> calibration{info.calibration.slope, info.calibration.intercept,
                                        info.generic.slope,     info.generic.intercept,
                                        server.slope,           server.intercept};
  check_finite(calibration, "the calibration's numbers", file);
  for (const Calibration& one : {info.calibration, info.generic, server}) {
    if (one.guess >= 0 && one.guess < 1) continue;
    throw corrupt(file, "the calibration's guess is {}, expected 0 to less than 1", one.guess);
  }
  for (const JudgedSignals& judged : info.judged) {
    check_finite(std::vector{judged.signals.top, judged.signals.margin, judged.signals.entropy},
                 "the judged signals", file);
  }
  check_finite(info.weights, "the weights", file);
  check_finite(info.recent_scores, "the recent scores", file);
  check_whitening(info, file);
  check_scope(info, file);
  check_scope_model_of(info, file);
  check_head(info, file);
}

}  // namespace crayon
