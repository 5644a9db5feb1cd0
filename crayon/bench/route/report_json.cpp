#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "crayon/bench/plan.h"
#include "crayon/bench/result.h"
#include "crayon/bench/route/report.h"

namespace crayon {
namespace {

using Json = nlohmann::ordered_json;

Json optional_json(const std::optional<double>& value) {
  return value ? Json(rounded(*value)) : Json(nullptr);
}

Json numbers(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double x : values) list.push_back(rounded(x));
  return list;
}

Json estimate_json(const RoutingEstimate& e) {
  return {{"value", optional_json(e.value)},
          {"low", rounded(e.low)},
          {"high", rounded(e.high)},
          {"standard_error", rounded(e.standard_error)}};
}

Json metrics_json(const RoutingEstimates& estimates, bool with_p) {
  Json metrics = Json::object();
  for (const RoutingMetric metric : all_routing_metrics()) {
    const RoutingEstimate& e = estimates[static_cast<std::size_t>(metric)];
    Json json = estimate_json(e);
    if (with_p) json["p"] = rounded(e.p_value);
    metrics[to_string(metric)] = json;
  }
  return metrics;
}

/// @param whole  with the curve's band and the differences
Json bands_json(const RoutingBands& bands, const std::vector<const BenchRouter*>& routers,
                bool whole) {
  Json list = Json::array();
  for (std::size_t r = 0; r < bands.routers.size(); ++r) {
    const RouterBands& one = bands.routers[r];
    Json json = {{"router", routers[r]->name}, {"curve", numbers(one.curve.accuracy)}};
    if (whole) {
      json["low"] = numbers(one.low.accuracy);
      json["high"] = numbers(one.high.accuracy);
    }
    json["metrics"] = metrics_json(one.metrics, false);
    if (whole && r > 0) json["ours_minus_it"] = metrics_json(bands.differences[r - 1], true);
    list.push_back(json);
  }
  return list;
}

Json names_of(const RouteRun& run, const std::vector<std::size_t>& tasks) {
  Json names = Json::array();
  for (const std::size_t t : tasks) names.push_back(run.tasks[t].name);
  return names;
}

Json server_json(const RouteRun& run, const ServerSummary& server) {
  Json tasks = Json::array();
  std::vector<std::size_t> done;
  for (const RouteTaskSummary& one : server.tasks) {
    done.push_back(one.task);
    tasks.push_back({{"task", run.tasks[one.task].name},
                     {"n", run.tasks[one.task].questions.size()},
                     {"device", rounded(one.device)},
                     {"server", rounded(one.server)},
                     {"unparsed", one.unparsed},
                     {"routers", bands_json(one.bands, server.routers, false)}});
  }
  Json shares = Json::array();
  for (const ShareLine& line : server.shares) {
    shares.push_back({{"asked", line.asked},
                      {"realised", rounded(line.realised)},
                      {"least", rounded(line.least)},
                      {"most", rounded(line.most)},
                      {"accuracy", rounded(line.accuracy)}});
  }
  Json risks = Json::array();
  for (std::size_t r = 0; r < server.risks.size(); ++r) {
    risks.push_back({{"router", server.routers[r]->name}, {"risks", numbers(server.risks[r])}});
  }
  return {{"server", server.server},
          {"tasks", names_of(run, done)},
          {"all", bands_json(server.all, server.routers, true)},
          {"pooled", bands_json(server.pooled, server.routers, true)},
          {"mixed_tasks", names_of(run, server.mixed_tasks)},
          {"mixed", bands_json(server.mixed, server.routers, true)},
          {"shares", shares},
          {"risk_coverage", risks},
          {"by_task", tasks}};
}

Json bins_json(const std::vector<ReliabilityPoint>& bins) {
  Json list = Json::array();
  for (const ReliabilityPoint& bin : bins) {
    list.push_back({{"n", bin.n},
                    {"confidence", rounded(bin.confidence)},
                    {"accuracy", rounded(bin.accuracy)}});
  }
  return list;
}

Json calibration_json(const RouteRun& run, const RouteSummary& summary) {
  const auto errors_json = [](const CalibrationErrors& errors) {
    return Json{{"before", rounded(errors.before)},
                {"after", rounded(errors.after)},
                {"before_by_chance", rounded(errors.before_by_chance)},
                {"after_by_chance", rounded(errors.after_by_chance)}};
  };
  Json tasks = Json::array();
  CalibrationErrors mean;
  const auto n = static_cast<double>(std::max<std::size_t>(1, summary.calibration.size()));
  for (const auto& [task, errors] : summary.calibration) {
    mean.before += errors.before / n;
    mean.after += errors.after / n;
    mean.before_by_chance += errors.before_by_chance / n;
    mean.after_by_chance += errors.after_by_chance / n;
    tasks.push_back(errors_json(errors));
    tasks.back()["task"] = run.tasks[task].name;
  }
  Json out = errors_json(mean);
  out["one_list"] = errors_json(summary.one_list);
  out["bins_before"] = bins_json(summary.before);
  out["bins_after"] = bins_json(summary.after);
  out["by_task"] = tasks;
  return out;
}

Json risk_json(const RouteRun& run, const RiskLine& line) {
  const RiskTrial& trial = line.trial;
  Json json = {{"task", run.tasks[line.task].name},
               {"risk", line.risk},
               {"n", trial.n},
               {"resamples", trial.resamples}};
  if (trial.resamples > 0) {
    json["mean"] = rounded(trial.mean);
    json["deviation"] = rounded(trial.deviation);
    json["standard_error"] = std::round(trial.standard_error * 1e6) / 1e6;
    json["server_share"] = rounded(trial.server_share);
    json["kept"] = trial.keeps(line.risk);
  }
  json["from_examples"] =
      line.from_examples < 0 ? Json(nullptr) : Json(rounded(line.from_examples));
  return json;
}

Json outside_json(const OutsideShares& shares) {
  const auto one = [](double share) { return share < 0 ? Json(nullptr) : Json(rounded(share)); };
  return {{"own", one(shares.own)}, {"near", one(shares.near)}, {"far", one(shares.far)}};
}

Json scope_json(const ScopeLine& line) {
  const auto part = [](std::size_t tasks, double mean, double low, double high) -> Json {
    if (tasks == 0) return nullptr;
    return {
        {"tasks", tasks}, {"mean", rounded(mean)}, {"low", rounded(low)}, {"high", rounded(high)}};
  };
  return {{"n", line.n},
          {"near", part(line.near_tasks, line.near, line.near_low, line.near_high)},
          {"far", part(line.far_tasks, line.far, line.far_low, line.far_high)},
          {"outside",
           {{"examples", outside_json(line.by_examples)},
            {"pool", line.with_pool ? outside_json(*line.with_pool) : Json(nullptr)}}}};
}

Json tasks_json(const RouteRun& run) {
  Json tasks = Json::array();
  for (std::size_t t = 0; t < run.tasks.size(); ++t) {
    const BenchTask& task = run.tasks[t];
    Json ids = Json::array();
    Json answers = Json::array();
    for (const BenchRow& row : task.questions) {
      ids.push_back(row.example.id);
      answers.push_back(*row.example.answer);
    }
    Json mixed = Json::array();
    for (const MixedRow& row : run.mixed[t]) {
      mixed.push_back(
          {{"task", run.tasks[row.task].name}, {"question", row.question}, {"near", row.near}});
    }
    tasks.push_back({{"name", task.name},
                     {"kind", to_string(task.kind)},
                     {"family", run.families[t]},
                     {"n", task.questions.size()},
                     {"questions_sha256", hash_rows(task.questions)},
                     {"examples_sha256", hash_rows(task.examples)},
                     {"ids", ids},
                     {"answers", answers},
                     {"mixed", mixed}});
  }
  return tasks;
}

Json results_json(const RouteRun& run) {
  Json device = Json::array();
  Json servers = Json::array();
  for (const DeviceResult& one : run.device) {
    Json json = {{"task", one.task}, {"seed", one.seed}, {"key", one.key}};
    json.update(Json(stored(one)));
    device.push_back(json);
  }
  for (const ServerResult& one : run.server) {
    Json json = {{"server", one.server},
                 {"task", one.task},
                 {"rows", one.examples ? "examples" : "questions"},
                 {"seed", one.seed},
                 {"key", one.key}};
    json.update(Json(stored(one)));
    servers.push_back(json);
  }
  return {{"device", device}, {"servers", servers}};
}

Json scores_json(const RouteRun& run, const RoutePlan& plan, const RouteSummary& summary) {
  Json list = Json::array();
  for (const ServerSummary& server : summary.servers) {
    for (const RouterScores& one : server.scores) {
      list.push_back({{"server", server.server},
                      {"task", run.tasks[one.task].name},
                      {"seed", plan.seeds[one.seed]},
                      {"router", one.router->name},
                      {"questions", one.questions},
                      {"mixed", one.mixed}});
    }
  }
  return list;
}

Json settings_json(const RouteRun& run, const RoutePlan& plan, const BenchSettings& settings) {
  Json missing = Json::array();
  for (const Unavailable& one : run.missing) {
    missing.push_back({{"server", one.method}, {"why", one.why}});
  }
  const PromptFormat& format = settings.format;
  return {{"k", plan.k},
          {"seeds", plan.seeds},
          {"questions", plan.questions},
          {"number_type", number_type_name(plan.number_type)},
          {"context_tokens", settings.context_tokens},
          {"shares", plan.shares},
          {"risks", plan.risks},
          {"scope_examples", plan.scope_examples},
          {"resamples", plan.resamples},
          {"risk_resamples", plan.risk_resamples},
          {"servers", run.servers},
          {"missing_servers", missing},
          {"model", {{"name", settings.model.name}, {"sha256", settings.model.sha256}}},
          {"pool", settings.pool},
          {"pool_sha256", settings.pool_sha256},
          {"n_adapters", settings.n_adapters},
          {"prompt",
           {{"with_context", format.with_context},
            {"without_context", format.without_context},
            {"choice_prefix", format.choice_prefix}}},
          {"version", settings.version},
          {"commit", settings.commit}};
}

Json routers_json() {
  Json list = Json::array();
  for (const BenchRouter* router : all_routers()) {
    list.push_back({{"name", router->name},
                    {"summary", router->summary},
                    {"knows", to_string(router->knows)},
                    {"labels", router->knows != BenchRouter::Knows::Nothing},
                    {"version", router->version},
                    {"fixed_share", router->fixed_share ? Json(*router->fixed_share) : nullptr}});
  }
  return list;
}

Json times_json(const RouteRun& run, const BenchSettings& settings) {
  std::vector<std::string> machines;
  const auto place = [&](const std::string& machine) {
    const auto known = std::ranges::find(machines, machine);
    const auto at = known - machines.begin();
    if (known == machines.end()) machines.push_back(machine);
    return at;
  };
  Json device = Json::array();
  Json servers = Json::array();
  for (const DeviceResult& one : run.device) {
    device.push_back({{"seconds", rounded(one.seconds)}, {"machine", place(one.machine)}});
  }
  for (const ServerResult& one : run.server) {
    servers.push_back({{"seconds", rounded(one.seconds)}, {"machine", place(one.machine)}});
  }
  return {{"machines", machines},
          {"command", settings.command},
          {"device", device},
          {"servers", servers}};
}

}  // namespace

std::string route_report_json(const RouteRun& run, const RoutePlan& plan,
                              const BenchSettings& settings) {
  const RouteSummary summary = summarise(run, plan);
  Json json = {
      {"schema", kRouteSchema},
      {"settings", settings_json(run, plan, settings)},
      {"cells", {{"planned", run.planned}, {"done", run.device.size() + run.server.size()}}},
      {"routers", routers_json()},
      {"servers", Json::array()},
      {"calibration", calibration_json(run, summary)},
      {"risks", Json::array()},
      {"scope", Json::array()},
      {"tasks", tasks_json(run)},
      {"results", results_json(run)},
      {"scores", scores_json(run, plan, summary)},
      {"times", times_json(run, settings)}};
  for (const ServerSummary& one : summary.servers) json["servers"].push_back(server_json(run, one));
  for (const RiskLine& line : summary.risks) json["risks"].push_back(risk_json(run, line));
  for (const ScopeLine& line : summary.scope) json["scope"].push_back(scope_json(line));
  // A command may hold bytes that are no UTF-8.
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

}  // namespace crayon
