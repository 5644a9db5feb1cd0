// Signals in, a decision out: which side answers a request. Never sees the engine or a socket.
// What each threshold promises, and its limits: docs/design/router.md.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
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
  double top = 1;          ///< Largest probability.
  double margin = 1;       ///< Largest minus second largest.
  double entropy = 0;      ///< Divided by log(number of choices): in 0..1.
  bool free_text = false;  ///< Nothing to guess among.
};
[[nodiscard]] ChoiceSignals choice_signals(std::span<const float> scores);
/// The same for free text from the log-probs of the chosen tokens: top is the geometric mean of the
/// probabilities, margin their 10 % quantile, entropy the mean of -log p, cut to 1 (ours).
[[nodiscard]] ChoiceSignals text_signals(std::span<const float> token_log_probs);

/// P(right) = guess + (1 - guess) / (1 + exp(-(slope * logit(margin') + intercept))), margin' cut
/// to [0.001, 0.999]: the three-parameter logistic of item response theory (Birnbaum 1968), in the
/// margin (ours). Without a guess it is Platt's (1999). Free text is not guessed: there guess is 0.
struct Calibration {
  double slope = 1;
  double intercept = 0;
  std::size_t n = 0;         ///< Questions it was fitted on.
  bool approximate = false;  ///< Made for another quantisation of the base.
  /// P(right) of who guesses: 1 / choices. Of a pool: the mean over the questions it was fitted on;
  /// 0 says that the fit knew no guessing, so that tasks made from it do not either.
  double guess = 0;
};
[[nodiscard]] double confidence(const Calibration& calibration, const ChoiceSignals& signals);

/// 1 / choices; 0 where there is no choice: fewer than 2.
[[nodiscard]] double guess_probability(std::size_t choices);

/// Fits slope (>= 0) and intercept by penalised maximum likelihood. The prior speaks as `prior_n`
/// further questions, spread over the same margins and answered as it believes, and its slope by a
/// ridge of 2 prior_n, its intercept by one of prior_n / 100 besides (ours): few labels stay near
/// it, many leave it behind; how often a task is right is learnt sooner than how much its margin
/// tells. None at all: the prior itself.
/// @param guess  of each question, which the fit keeps the mean of; empty: the prior's for all
/// @throws Error InvalidArgument  other sizes, a margin that is not finite, prior_n below 0,
///                                a guess outside [0, 1)
[[nodiscard]] Calibration fit_calibration(std::span<const ChoiceSignals> signals,
                                          std::span<const std::uint8_t> right,
                                          const Calibration& prior, double prior_n = 10,
                                          std::span<const double> guess = {});

/// Hard rules that hold whatever the router thinks.
struct Policy {
  bool local_only = false;     ///< Nothing of this task may leave the device.
  bool server_allowed = true;  ///< false: no server is configured.
};

enum class RouteMode {
  ServerShare,  ///< A share of the requests goes to the server, those with the least scores.
  Never,
  Always,
  Risk,   ///< The device answers above a threshold of confidence; see risk_threshold().
  Price,  ///< The server is asked where what it is expected to gain is worth more than it costs.
};

/// Takes every request that is in scope: above no threshold at all.
inline constexpr double kNoThreshold = -std::numeric_limits<double>::infinity();

struct RouterOptions {
  RouteMode mode = RouteMode::Never;
  double server_share = 0.3;  ///< Asked share in 0..1 (mode ServerShare).
  double least_scope = 0.05;  ///< A scope p-value below this counts as not of the task.
  std::size_t window = 200;   ///< Recent scores that the threshold is a quantile of.
  /// Mode Risk: the device answers what is in scope with a confidence above this. Infinite: none.
  double risk_threshold = std::numeric_limits<double>::infinity();
  double cost = 0;            ///< Mode Price: of a call of the server, in any unit, at least 0 ...
  double value = 1;           ///< ... of a right answer, in the same unit, above 0.
  double server_right = 0.9;  ///< Mode Price: P(server is right) where a request says none; 0..1.
};

struct Signals {
  double confidence = 1;              ///< P(right) on the device.
  std::optional<double> scope = {};   ///< p-value; none when the task has no scope.
  std::optional<double> server = {};  ///< P(right) of the server; none without labels of it.
};

struct Decision {
  Side side = Side::Device;
  std::string reason;  ///< "confident", "unsure", "out of scope", "local only", "worth its price"
  double score = 0;    ///< What was compared: high means the device should answer.
  double threshold = 0;
};

/// What an earlier run decided.
struct PastDecision {
  double score = 0;
  bool escalated = false;
};
/// So many of them say what the server is owed.
inline constexpr std::size_t kPastDecisions = 500;

/// Requests that the server is owed, or was given too many, at most (mode ServerShare).
inline constexpr double kMostOwed = 7;

/// Keeps the recent scores. Not thread-safe: one owner.
class Router {
 public:
  /// @throws Error InvalidArgument  a share, level or probability outside 0..1, a cost below 0, a
  ///                                value that is not above 0, a threshold that is no number
  explicit Router(RouterOptions options, Policy policy = {});

  /// Recent scores to start from (of the task's examples), so that the first request has a
  /// threshold. Scores that are not finite are left out.
  void warm_up(std::span<const double> scores);
  /// Goes on where earlier runs ended (mode ServerShare): their scores are recent ones, and the
  /// last kPastDecisions say what the server is owed. So the promise of decide() holds over runs
  /// too.
  /// @param past  oldest first; scores that are not finite are left out
  void resume(std::span<const PastDecision> past);
  /// The score of signals: confidence, times scope / least_scope when out of scope (ours).
  [[nodiscard]] double score(const Signals& signals) const;
  /// Decides. Signals that are not finite stay on the device.
  ///
  /// ServerShare: a score below the share's quantile of the recent ones escalates, and is
  /// remembered. The quantile's level follows what the server is owed, and no debt exceeds
  /// kMostOwed requests (ours): so of any n consecutive requests, whatever their scores, the server
  /// has share * n but for 2 * kMostOwed, which is within 3 points of any 500.
  /// Risk: out of scope escalates; else a confidence that is not above the threshold.
  /// Price: (P(server is right) - score) * value > cost escalates.
  [[nodiscard]] Decision decide(const Signals& signals);
  /// Decides for a whole file at once. ServerShare: exactly round(share * n) least scores go to the
  /// server; the other modes as decide().
  [[nodiscard]] std::vector<Decision> decide_all(std::span<const Signals> signals) const;

 private:
  void remember(double score);
  [[nodiscard]] Decision decide_share(const Signals& signals);
  [[nodiscard]] Decision decide_alone(const Signals& signals) const;

  RouterOptions options_;
  Policy policy_;
  std::deque<double> recent_;
  double owed_ = 0;  ///< Requests that the server should have had so far, less those that it had.
};

}  // namespace crayon
