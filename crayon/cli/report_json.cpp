#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "crayon/base/error.h"
#include "crayon/cli/report.h"
#include "crayon/gate/scope.h"

namespace crayon {
namespace {

using Json = nlohmann::ordered_json;

/// One line; bytes that are not UTF-8 become U+FFFD instead of an exception.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json accuracy_json(const Accuracy& value) {
  return {{"accuracy", value.accuracy}, {"standard_error", value.standard_error}, {"n", value.n}};
}

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json side_json(const SideDetail& side, bool device) {
  Json json{{"choice", or_null(side.choice)}, {"right", side.right}};
  if (device || !side.scores.empty()) json["scores"] = side.scores;
  if (!device) return json;
  json["confidence"] = side.confidence;
  json["scope"] = or_null(side.scope);
  return json;
}

Json base_json(const BaseModel& base) {
  return {{"id", base.id()}, {"name", base.name}, {"sha256", base.sha256}};
}

Json leave_one_out_json(const LeaveOneOut& loo) {
  Json json{{"base", loo.base}, {"blended", loo.blended}, {"n", loo.n}};
  for (const CandidateReport& candidate : loo.candidates) {
    json["candidates"].push_back({{"name", candidate.name},
                                  {"accuracy", candidate.accuracy.accuracy},
                                  {"standard_error", candidate.accuracy.standard_error},
                                  {"log_loss", candidate.log_loss}});
  }
  return json;
}

}  // namespace

std::string customize_json(const CustomizeResult& result) {
  const CustomizeReport& report = result.report;
  const TaskInfo& info = *report.task.info;
  Json json{{"task", info.name},
            {"file", result.file.string()},
            {"pool", info.pool_id},
            {"n_examples", report.n_examples},
            {"cut_examples", report.cut_examples},
            {"local_only", info.policy.local_only},
            {"weights", report.weights},
            {"shared_weight", report.shared ? Json(*report.shared) : Json(nullptr)},
            {"gate_weights", report.gate.weights},
            {"adapters", result.adapter_names},
            {"familiarity", report.gate.familiarity},
            {"mode", info.mode},
            {"rank", info.rank},
            {"relative_error", report.relative_error}};
  const std::size_t needed = scope_examples_needed(RouterOptions{}.least_scope, info.scope);
  if (report.n_examples < needed) json["scope_examples_needed"] = needed;
  json["seconds"] = {{"load", result.load_seconds},   {"embed", report.seconds.embed},
                     {"gate", report.seconds.gate},   {"blend", report.seconds.blend},
                     {"score", report.seconds.score}, {"refine", report.seconds.refine},
                     {"write", result.write_seconds}, {"total", result.total_seconds}};
  if (report.leave_one_out) json["leave_one_out"] = leave_one_out_json(*report.leave_one_out);
  json["kept"] = report.kept;
  return dump(json);
}

std::string answer_json(const Answer& answer, const std::string& id) {
  Json json;
  json["id"] = id.empty() ? answer.id : id;
  if (!id.empty()) json["answer_id"] = answer.id;
  json["answer"] = answer.text;
  if (answer.choice) json["choice"] = *answer.choice;
  json["side"] = to_string(answer.side);
  json["reason"] = answer.reason;
  json["confidence"] = answer.confidence;
  json["scope"] = or_null(answer.scope);
  if (answer.scope_examples_needed > 0) {
    json["scope_examples_needed"] = answer.scope_examples_needed;
  }
  json["seconds"] = answer.seconds;
  json["tokens"] = {{"prompt", answer.prompt_tokens}, {"completion", answer.completion_tokens}};
  if (!answer.scores.empty()) json["scores"] = answer.scores;
  if (answer.cut_tokens > 0) json["cut_tokens"] = answer.cut_tokens;
  if (answer.unparsed) json["unparsed"] = true;
  if (!answer.server_error.empty()) json["server_error"] = answer.server_error;
  if (answer.money > 0) {
    json["money"] = static_cast<double>(answer.money) / static_cast<double>(kMoneyUnit);
  }
  return dump(json);
}

std::string unanswered_json(const std::string& id, const std::string& error) {
  return dump({{"id", id}, {"error", error}});
}

std::string evaluation_json(const Evaluation& evaluation) {
  Json json{{"n", evaluation.n},
            {"base", accuracy_json(evaluation.base)},
            {"blended", accuracy_json(evaluation.blended)}};
  if (evaluation.server) {
    json["server"] = accuracy_json(*evaluation.server);
    json["server"]["unparsed"] = evaluation.unparsed;
    json["mix"] = accuracy_json(*evaluation.mix);
    json["mix"]["server_share"] = evaluation.server_share;
    json["mix"]["risk"] = evaluation.risk;
    json["blended_on_sample"] = accuracy_json(*evaluation.blended_on_sample);
    json["unparsed"] = evaluation.unparsed;
  }
  json["questions_per_second"] = evaluation.questions_per_second;
  if (evaluation.cut_questions > 0) json["cut_questions"] = evaluation.cut_questions;
  if (evaluation.kept_questions > 0) json["kept_questions"] = evaluation.kept_questions;
  return dump(json);
}

std::string evaluation_details(const Evaluation& evaluation) {
  std::string lines;
  for (const QuestionDetail& detail : evaluation.details) {
    Json json{{"id", detail.id},
              {"answer", or_null(detail.answer)},
              {"base", side_json(detail.base, true)},
              {"blended", side_json(detail.blended, true)}};
    if (detail.server) json["server"] = side_json(*detail.server, false);
    if (detail.side) json["side"] = to_string(*detail.side);
    lines += dump(json) + "\n";
  }
  return lines;
}

std::string blend_json(const BlendResult& result) {
  return dump({{"file", result.file.string()},
               {"mode", to_string(result.options.mode)},
               {"rank", result.rank},
               {"relative_error", result.relative_error},
               {"bytes", result.bytes},
               {"seconds", result.seconds}});
}

std::string pool_json(const Pool& pool) {
  const PoolManifest& manifest = pool.manifest();
  Json json{{"id", manifest.id},
            {"name", manifest.name},
            {"folder", pool.folder().string()},
            {"base", base_json(manifest.base)},
            {"n_adapters", pool.size()},
            {"first_layer", manifest.first_layer}};
  json["embedding"] = {{"layer", pool.gate().embedding.layer},
                       {"pooling", to_string(pool.gate().embedding.pooling)}};
  json["gate"] = {{"temperature", pool.gate().temperature},
                  {"modulated", pool.gate().modulated},
                  {"max_tilt", pool.gate().max_tilt},
                  {"shared_least", pool.gate().shared_least}};
  if (!pool.gate().even.empty()) json["gate"]["even"] = pool.gate().even;
  json["scope_sizes"] = manifest.scope.sizes;
  json["adapters"] = Json::array();
  for (const PoolAdapterEntry& entry : manifest.adapters) {
    json["adapters"].push_back({{"name", entry.name},
                                {"file", entry.file},
                                {"rank", entry.rank},
                                {"trained_on", entry.trained_on},
                                {"licence", entry.licence}});
  }
  json["shared"] = manifest.shared.empty() ? Json(nullptr) : Json(manifest.shared.front().name);
  return dump(json);
}

std::string pool_checks_json(std::span<const PoolCheck> checks) {
  Json json{{"ok", true}, {"checks", Json::array()}};
  for (const PoolCheck& check : checks) {
    json["checks"].push_back({{"what", check.what}, {"ok", check.ok}, {"detail", check.detail}});
    if (!check.ok) json["ok"] = false;
  }
  return dump(json);
}

std::string task_json(const std::filesystem::path& file, const Task& task) {
  Json json{{"file", file.string()},
            {"rank", max_rank(task.adapter)},
            {"tensors", task.adapter.tensors.size()}};
  if (!task.info) return dump(json);
  const TaskInfo& info = *task.info;
  json["task"] = info.name;
  json["pool"] = info.pool_id;
  json["base"] = base_json(info.base);
  json["weights"] = info.weights;
  json["mode"] = info.mode;
  json["relative_error"] = info.relative_error;
  json["n_examples"] = info.n_examples;
  json["kept"] = info.kept;
  json["labels"] = info.head.labels.size();
  json["choice_probe"] = !info.head.choice_probe.empty();
  json["calibration"] = {{"slope", info.calibration.slope},
                         {"intercept", info.calibration.intercept},
                         {"n", info.calibration.n},
                         {"approximate", info.calibration.approximate},
                         {"guess", info.calibration.guess}};
  json["local_only"] = info.policy.local_only;
  return dump(json);
}

std::string list_report(const std::string& key, bool json, std::span<const ListedFile> files,
                        const std::function<std::string(const ListedFile&)>& describe) {
  std::vector<std::string> entries;
  for (const ListedFile& file : files) {
    try {
      entries.push_back(describe(file));
    } catch (const Error& error) {
      entries.push_back(json ? dump({{"file", file.path.string()}, {"error", error.what()}})
                             : fmt::format("{}  cannot be read: {}\n", file.name, error.what()));
    }
  }
  return json ? fmt::format(R"({{"{}":[{}]}})", key, fmt::join(entries, ",")) + "\n"
              : fmt::format("{}", fmt::join(entries, ""));
}

std::string models_json(std::span<const ModelEntry> models) {
  Json json = Json::array();
  for (const ModelEntry& entry : models) {
    json.push_back({{"name", entry.name},
                    {"description", entry.description},
                    {"licence", entry.licence},
                    {"bytes", entry.bytes},
                    {"sha256", entry.sha256},
                    {"fetched", is_fetched(entry)},
                    {"file", model_path(entry).string()}});
  }
  return dump({{"models", json}});
}

}  // namespace crayon
