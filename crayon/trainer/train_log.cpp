#include "crayon/trainer/internal/train_log.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "crayon/base/error.h"

namespace crayon {

using Json = nlohmann::ordered_json;

TrainLog::TrainLog(const std::filesystem::path& file) {
  std::error_code ignored;  // the open says what is wrong
  std::filesystem::create_directories(file.parent_path(), ignored);
  out_.open(file, std::ios::app);
  if (!out_) {
    throw Error(ErrorCode::Unavailable,
                fmt::format("{}: cannot be written; set [train] checkpoints to a folder that can",
                            file.string()));
  }
}

void TrainLog::step(const StepRecord& r) {
  out_ << Json{{"step", r.step},         {"samples", r.samples},
               {"set", r.set},           {"loss", r.loss},
               {"choice", r.choice},     {"answer", r.answer},
               {"balance", r.balance},   {"diversity", r.diversity},
               {"gradient", r.gradient}, {"tilt", r.tilt},
               {"rate", r.rate},         {"samples_per_second", r.samples_per_second}}
              .dump()
       << std::endl;
}

void TrainLog::validation(std::int64_t step, std::span<const TrainValidation> validation) {
  Json sets = Json::array();
  for (const auto& v : validation) {
    sets.push_back(
        {{"set", v.set}, {"n", v.n}, {"base", v.base}, {"even", v.even}, {"tilted", v.tilted}});
  }
  out_ << Json{{"step", step}, {"validation", sets}}.dump() << std::endl;
}

void TrainLog::finished(const TrainReport& report) {
  out_ << Json{{"step", report.steps},
               {"samples", report.samples},
               {"finished", report.finished},
               {"minutes", report.minutes},
               {"samples_per_second", report.samples_per_second},
               {"number_type", report.number_type}}
              .dump()
       << std::endl;
}

}  // namespace crayon
