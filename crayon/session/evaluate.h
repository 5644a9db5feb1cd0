// How well base, blended adapter, server and the mix of both sides answer a labelled file.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crayon/engine/engine.h"
#include "crayon/prompt/example.h"
#include "crayon/remote/remote.h"
#include "crayon/router/router.h"
#include "crayon/session/device.h"
#include "crayon/session/door.h"
#include "crayon/session/scoring.h"
#include "crayon/session/tasks.h"
#include "crayon/stats/stats.h"

namespace crayon {

struct EvaluateOptions {
  RouterOptions router{.mode = RouteMode::ServerShare};
  std::size_t server_limit = 0;  ///< Questions put to the server, drawn by seed; 0: all.
  std::uint64_t seed = 1;
  std::size_t hold_back = kHoldBackTokens;  ///< Tokens of free text that its confidence comes from.
  DoorOptions door{};  ///< The checks that a question must pass to be put to the server.
};

/// One side's answer to one question.
struct SideDetail {
  std::optional<int> choice;    ///< None for free text and for an unusable reply.
  std::vector<float> scores;    ///< Of the choices; the server's: its letters' log-probs, if given.
  double confidence = 0;        ///< The device's only.
  std::optional<double> scope;  ///< The device's only.
  std::optional<double> server_chance;  ///< The device's only: P(the server is right).
  bool right = false;
};

struct QuestionDetail {
  std::string id;
  std::optional<int> answer;  ///< Index of the right choice; none for free text.
  SideDetail base;
  SideDetail blended;
  std::optional<SideDetail> server;  ///< Where the server was asked.
  std::optional<Side> side;  ///< Who answers in the mix, where the server was asked; the device
                             ///< where the server's reply named no choice, as in answer().
};

struct Evaluation {
  std::size_t n = 0;
  Accuracy base;                   ///< The base model alone, without any adapter.
  Accuracy blended;                ///< What `ask` would answer on the device: adapter and head.
  std::optional<Accuracy> server;  ///< On the sample that the server was asked.
  std::optional<Accuracy> mix;     ///< On the same sample.
  std::optional<Accuracy> blended_on_sample;  ///< For a fair comparison with server and mix.
  RouteMode mode = RouteMode::ServerShare;    ///< That made the mix.
  double server_share = 0;                    ///< Of the mix: what the server answered.
  double risk = 0;           ///< Of the mix: what the device answered, and wrongly; of all of it.
  std::size_t unparsed = 0;  ///< Server's replies that named no choice; the server's errors.
  double questions_per_second = 0;  ///< Of the blended side, model loading left out.
  std::size_t cut_questions = 0;    ///< Whose passage was cut to fit the context.
  std::size_t kept_questions = 0;   ///< Of the server's sample, left out as a check kept them here.
  std::vector<QuestionDetail> details;
};

/// Is a free answer the labelled one, after normalize_answer()?
[[nodiscard]] bool answers_label(const Example& question, const std::string& text);

/// Answers every question with the base, then with the task's adapter, then asks the server.
/// Choices: highest score. Free text: exact match after normalize_answer(), written as answer()
/// writes it. For the task "base" the blended side is the base's. Whether the server is there is
/// asked first, by a call without a question.
///
/// @param remote  null: no server and no mix
/// @throws Error InvalidArgument  no question at all; one without a label, too long, or with more
///                                choices than a server can be asked (names its id); a remote for a
///                                task whose policy keeps it on the device: nothing is sent then
/// @throws Error Unavailable      the server fails, or the budget is spent: an evaluation without
/// it
///                                would mislead
/// @throws Interrupted
[[nodiscard]] Evaluation evaluate(const Model& model, Engine& engine, const OpenTask& task,
                                  std::span<const Example> questions, Remote* remote = nullptr,
                                  const EvaluateOptions& options = {},
                                  const OnProgress& on_progress = {});

}  // namespace crayon
