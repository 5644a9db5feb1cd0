#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "crayon/cli/report.h"
#include "crayon/gate/scope.h"

namespace crayon {
namespace {

constexpr std::size_t kBarWidth = 30;

/// Display width: UTF-8 bytes that begin a character.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string padded(const std::string& text, std::size_t width) {
  const std::size_t used = width_of(text);
  return text + std::string(width > used ? width - used : 0, ' ');
}

std::string weights_text(const CustomizeResult& result) {
  auto weights = result.report.weights;
  auto names = result.adapter_names;
  if (result.report.shared) {
    weights.push_back(*result.report.shared);
    names.emplace_back("shared");
  }
  double largest = 0;
  std::size_t width = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(weights[i])));
    width = std::max(width, width_of(names[i]));
  }
  std::string text =
      fmt::format("weights  (familiarity of the task {:.2f})\n", result.report.gate.familiarity);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double w = static_cast<double>(weights[i]);
    text += fmt::format("  {}  {:6.3f} {}{}\n", padded(names[i], width), w, w < 0 ? "-" : "",
                        bar(std::abs(w), largest, kBarWidth));
  }
  return text;
}

std::string why_not_compared(std::size_t n_labelled) {
  if (n_labelled > 1) return "not compared, as --no-compare asks";
  return n_labelled == 1 ? "one labelled question only; comparing needs 2"
                         : "no labels to compare by";
}

std::string kept_text(const CustomizeReport& report) {
  if (!report.leave_one_out) {
    return fmt::format("kept     {} ({})\n", report.kept, why_not_compared(report.n_labelled));
  }
  const LeaveOneOut& loo = *report.leave_one_out;
  std::string text = fmt::format(
      "kept     {}: accuracy {:.3f}, base alone {:.3f} ({:+.3f}; leave-one-out on {} "
      "labelled examples)\n",
      report.kept, loo.blended, loo.base, loo.blended - loo.base, loo.n);
  auto sorted = loo.candidates;
  std::ranges::sort(sorted, {}, &CandidateReport::log_loss);
  for (const CandidateReport& candidate : sorted) {
    text += fmt::format("  {} accuracy {:.3f} ± {:.3f}  log-loss {:.3f}\n",
                        padded(candidate.name, 21), candidate.accuracy.accuracy,
                        candidate.accuracy.standard_error, candidate.log_loss);
  }
  if (report.kept.starts_with("base")) {
    text += "  The base did best, so the task's adapter changes nothing; more examples may help.\n";
  }
  return text;
}

std::string seconds_text(const CustomizeResult& result) {
  const CustomizeSeconds& s = result.report.seconds;
  std::string text = fmt::format("seconds  load {:.2f}, embed {:.2f}, gate {:.3f}, blend {:.3f}",
                                 result.load_seconds, s.embed, s.gate, s.blend);
  if (s.score > 0) text += fmt::format(", score {:.2f}", s.score);
  if (s.refine > 0) text += fmt::format(", refine {:.2f}", s.refine);
  return text +
         fmt::format(", write {:.3f}, total {:.2f}\n", result.write_seconds, result.total_seconds);
}

std::string accuracy_row(const std::string& name, const Accuracy& value, const std::string& note) {
  return fmt::format("{} {:.3f} ± {:.3f}  n = {}{}\n", padded(name, 9), value.accuracy,
                     value.standard_error, value.n, note);
}

std::string megabytes(std::uint64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

}  // namespace

std::string bar(double value, double largest, std::size_t width) {
  static constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  if (!(largest > 0) || !(value > 0)) return {};
  const double cells = std::min(value / largest, 1.0) * static_cast<double>(width);
  const auto eighths = static_cast<std::size_t>(std::lround(cells * 8));
  std::string text;
  for (std::size_t i = 0; i < eighths / 8; ++i) text += "█";
  return text + kEighths[eighths % 8];
}

std::string customize_text(const CustomizeResult& result) {
  const CustomizeReport& report = result.report;
  const TaskInfo& info = *report.task.info;
  std::string text =
      fmt::format("task     {} from {} example{} and pool {}\n", info.name, report.n_examples,
                  report.n_examples == 1 ? "" : "s", info.pool_id);
  text += weights_text(result);
  text += fmt::format("blend    {}, rank {}, relative error {:.2e}\n", info.mode, info.rank,
                      report.relative_error);
  if (report.cut_examples > 0) {
    text += fmt::format("cut      {} passage{} to fit the context; see --context-tokens\n",
                        report.cut_examples, report.cut_examples == 1 ? "" : "s");
  }
  const std::size_t needed = scope_examples_needed(RouterOptions{}.least_scope, info.scope);
  if (report.n_examples < needed) {
    text += fmt::format(
        "scope    none with {} example{}; from {} on, questions of other tasks are "
        "told apart\n",
        report.n_examples, report.n_examples == 1 ? "" : "s", needed);
  }
  text += kept_text(report);
  text += seconds_text(result);
  text += fmt::format("wrote    {} ({})\n", result.file.string(), megabytes(report.file.size()));
  text += fmt::format(
      "Next:\n"
      "  crayon ask --task {0} --choice A --choice B \"your question\"\n"
      "  crayon eval --task {0} --data labelled.jsonl\n"
      "  crayon serve --task {0}\n",
      result.task_argument);
  return text;
}

std::string answer_note(const Answer& answer) {
  std::string text = fmt::format("{}: {}; confidence {:.2f}", to_string(answer.side), answer.reason,
                                 answer.confidence);
  if (answer.scope) text += fmt::format(", scope {:.2f}", *answer.scope);
  if (answer.scope_examples_needed > 0) {
    text += fmt::format(" (too few examples to rule a question out; {} are needed)",
                        answer.scope_examples_needed);
  }
  text += fmt::format(", {:.2f} s, id {}", answer.seconds, answer.id.substr(0, 8));
  if (answer.cut_tokens > 0) {
    text +=
        fmt::format("; {} tokens of the passage were cut to fit the context", answer.cut_tokens);
  }
  return text;
}

std::string evaluation_text(const Evaluation& evaluation) {
  std::string text = "          accuracy\n";
  text += accuracy_row("base", evaluation.base, "");
  text += accuracy_row("blended", evaluation.blended, "");
  if (evaluation.server) {
    const std::string sample = evaluation.server->n == evaluation.n ? "" : " (a sample)";
    const std::string unparsed =
        evaluation.unparsed == 0 ? "" : fmt::format(", {} replies unusable", evaluation.unparsed);
    text += accuracy_row("server", *evaluation.server, sample + unparsed);
    if (!sample.empty()) text += accuracy_row("  blended", *evaluation.blended_on_sample, sample);
    text += accuracy_row("mix", *evaluation.mix,
                         fmt::format("{}, server share {:.2f}{}", sample, evaluation.server_share,
                                     evaluation.mode == RouteMode::Risk
                                         ? fmt::format(", risk {:.3f}", evaluation.risk)
                                         : ""));
  }
  text +=
      fmt::format("{:.1f} questions per second on the device\n", evaluation.questions_per_second);
  if (evaluation.cut_questions > 0) {
    text += fmt::format("{} passages were cut to fit the context; see --context-tokens\n",
                        evaluation.cut_questions);
  }
  if (evaluation.kept_questions > 0) {
    text += fmt::format("{} questions were kept from the server by the policy\n",
                        evaluation.kept_questions);
  }
  return text;
}

std::string blend_text(const BlendResult& result) {
  return fmt::format("wrote {} ({}): {}, rank {}, relative error {:.2e}, {:.3f} s\n",
                     result.file.string(), megabytes(result.bytes), to_string(result.options.mode),
                     result.rank, result.relative_error, result.seconds);
}

namespace {
std::string papers_of(const PoolAdapterEntry& entry) {
  return fmt::format("{}  {}", fmt::join(entry.trained_on, ", "), entry.licence);
}
}  // namespace

std::string pool_text(const Pool& pool) {
  const PoolManifest& manifest = pool.manifest();
  std::string text = fmt::format(
      "pool      {}\nfolder    {}\nbase      {} ({})\nlayers    {} to {}\nembedding layer {}, {}\n"
      "gate      {}, temperature {}\nadapters\n",
      manifest.id, pool.folder().string(), manifest.base.name, manifest.base.id(),
      manifest.first_layer, manifest.base.n_layers - 1, pool.gate().embedding.layer,
      to_string(pool.gate().embedding.pooling), pool.gate().modulated ? "modulated" : "plain",
      pool.gate().temperature);
  if (manifest.adapters.empty()) text += "  none yet: `crayon pool add` adds one\n";
  // Adapters that were trained together share their sets: said once, below.
  const bool together = manifest.adapters.size() > 1 &&
                        std::ranges::all_of(manifest.adapters, [&](const PoolAdapterEntry& entry) {
                          return entry.trained_on == manifest.adapters.front().trained_on &&
                                 entry.licence == manifest.adapters.front().licence;
                        });
  for (const PoolAdapterEntry& entry : manifest.adapters) {
    text += fmt::format("  {} rank {}{}\n", padded(entry.name, 12), entry.rank,
                        together ? "" : "  " + papers_of(entry));
  }
  for (const PoolAdapterEntry& entry : manifest.shared) {
    const float least = pool.gate().shared_least;
    text += fmt::format("  {} rank {}  shared, weight {}\n", padded(entry.name, 12), entry.rank,
                        least == 1 ? "1" : fmt::format("{} to 1 as the task is familiar", least));
  }
  if (together) text += fmt::format("trained   {}\n", papers_of(manifest.adapters.front()));
  text += manifest.scope.empty()
              ? std::string("scope     no model: a task's own examples alone say what is of it\n")
              : fmt::format("scope     a model for tasks of {} examples and more\n",
                            manifest.scope.sizes.front());
  return text;
}

std::string task_text(const std::filesystem::path& file, const Task& task) {
  std::string text = fmt::format("file      {}\nadapter   rank {}, {} tensors\n", file.string(),
                                 max_rank(task.adapter), task.adapter.tensors.size());
  if (!task.info)
    return text + "a LoRA file without a task of Crayon's: no scope, no calibration\n";
  const TaskInfo& info = *task.info;
  text += fmt::format("task      {}\npool      {}\nbase      {} ({})\nkept      {}\n", info.name,
                      info.pool_id, info.base.name, info.base.id(), info.kept);
  text += fmt::format("blend     {}, relative error {:.2e}\nexamples  {}\nlabels    {}{}\n",
                      info.mode, info.relative_error, info.n_examples, info.head.labels.size(),
                      info.head.choice_probe.empty() ? "" : ", and a choice probe");
  if (info.policy.local_only) text += "policy    local only: no question of it goes to a server\n";
  text += "weights  ";
  for (const float w : info.weights) text += fmt::format(" {:.3f}", w);
  const Calibration& line = info.calibration;
  return text + fmt::format("\ncalibration  slope {:.3f}, intercept {:.3f}{}, fitted on {}{}\n",
                            line.slope, line.intercept,
                            line.guess > 0 ? fmt::format(", guessed right {:.3f}", line.guess) : "",
                            line.n, line.approximate ? ", approximate" : "");
}

}  // namespace crayon
