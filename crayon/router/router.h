// Signals in, a decision out: which side answers a request. Never sees the engine or a socket.
// (Issue "Hybrid inference" widens this: budgets, patterns, risk control.)
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace crayon {

enum class Side { Device, Server };
[[nodiscard]] std::string to_string(Side side);

/// What the scores of the choices say of themselves, after a softmax over the choices.
/// Both functions below: @throws Error InvalidArgument  no numbers, or one that is not finite
struct ChoiceSignals {
  double top = 1;      ///< Largest probability.
  double margin = 1;   ///< Largest minus second largest.
  double entropy = 0;  ///< Divided by log(number of choices): in 0..1.
};
[[nodiscard]] ChoiceSignals choice_signals(std::span<const float> scores);
/// The same for free text from the log-probs of the chosen tokens: top is the geometric mean of the
/// probabilities, margin their 10 % quantile, entropy the mean of -log p, cut to 1 (ours).
[[nodiscard]] ChoiceSignals text_signals(std::span<const float> token_log_probs);

/// P(right) = 1 / (1 + exp(-(slope * logit(margin') + intercept))), margin' cut to [0.001, 0.999]
/// (ours; logistic calibration as Platt 1999).
struct Calibration {
  double slope = 1;
  double intercept = 0;
  std::size_t n = 0;         ///< Questions it was fitted on.
  bool approximate = false;  ///< Made for another quantisation of the base.
};
[[nodiscard]] double confidence(const Calibration& calibration, const ChoiceSignals& signals);

/// Fits slope (>= 0) and intercept by penalised maximum likelihood. The prior speaks as `prior_n`
/// further questions, spread over the same margins and answered as it believes (ours): few labels
/// stay near it, many leave it behind. None at all: the prior itself.
/// @throws Error InvalidArgument  other sizes, a margin that is not finite, prior_n below 0
[[nodiscard]] Calibration fit_calibration(std::span<const ChoiceSignals> signals,
                                          std::span<const std::uint8_t> right,
                                          const Calibration& prior, double prior_n = 10);

/// Hard rules that hold whatever the router thinks.
struct Policy {
  bool local_only = false;     ///< Nothing of this task may leave the device.
  bool server_allowed = true;  ///< false: no server is configured.
};

enum class RouteMode { ServerShare, Never, Always };

struct RouterOptions {
  RouteMode mode = RouteMode::Never;
  double server_share = 0.3;  ///< Asked share in 0..1 (mode ServerShare).
  double least_scope = 0.05;  ///< A scope p-value below this counts as not of the task.
  std::size_t window = 500;   ///< Recent scores that the threshold is a quantile of.
};

struct Signals {
  double confidence = 1;             ///< P(right) on the device.
  std::optional<double> scope = {};  ///< p-value; none when the task has no scope.
};

struct Decision {
  Side side = Side::Device;
  std::string reason;  ///< "confident", "unsure", "out of scope", "local only", "never", ...
  double score = 0;    ///< What was compared: high means the device should answer.
  double threshold = 0;
};

/// Keeps the recent scores. Not thread-safe: one owner.
class Router {
 public:
  /// @throws Error InvalidArgument  a share or level outside 0..1
  explicit Router(RouterOptions options, Policy policy = {});

  /// Recent scores to start from (of the task's examples), so that the first request has a
  /// threshold. Scores that are not finite are left out.
  void warm_up(std::span<const double> scores);
  /// The score of signals: confidence, times scope / least_scope when out of scope (ours).
  [[nodiscard]] double score(const Signals& signals) const;
  /// Decides and remembers the score. Mode ServerShare: a score below the share's quantile of the
  /// recent ones escalates; the quantile's level follows what the server is owed (ours), so that
  /// the share is met although each score was unknown before. Signals that are not finite stay.
  [[nodiscard]] Decision decide(const Signals& signals);
  /// Decides for a whole file at once: exactly round(share * n) least scores go to the server.
  [[nodiscard]] std::vector<Decision> decide_all(std::span<const Signals> signals) const;

 private:
  void remember(double score);

  RouterOptions options_;
  Policy policy_;
  std::deque<double> recent_;
  double owed_ = 0;  ///< Requests that the server should have had so far, less those that it had.
};

}  // namespace crayon
