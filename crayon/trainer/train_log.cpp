#include "crayon/trainer/internal/train_log.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "crayon/base/error.h"
#include "crayon/base/log.h"

namespace crayon {

using Json = nlohmann::ordered_json;

TrainLog::TrainLog(const std::filesystem::path& file) : file_(file) {
  std::error_code ignored;  // the open says what is wrong
  std::filesystem::create_directories(file.parent_path(), ignored);
  out_.open(file, std::ios::app);
  if (!out_) {
    throw Error(ErrorCode::Unavailable,
                fmt::format("{}: cannot be written; set [train] checkpoints to a folder that can",
                            file.string()));
  }
}

/// The first line that fails is the last one: it may have been cut, and what followed would not be
/// lines any more.
void TrainLog::write(const std::string& line) {
  if (!out_) return;
  errno = 0;
  out_ << line << std::endl;
  if (out_) return;
  log_warning(fmt::format("{}: cannot be written: {}; the log ends here, training goes on",
                          file_.string(), errno != 0 ? std::strerror(errno) : "unknown reason"));
}

void TrainLog::step(const StepRecord& r) {
  write(Json{{"step", r.step},
             {"samples", r.samples},
             {"set", r.set},
             {"loss", r.loss},
             {"choice", r.choice},
             {"answer", r.answer},
             {"balance", r.balance},
             {"diversity", r.diversity},
             {"gradient", r.gradient},
             {"tilt", r.tilt},
             {"rate", r.rate},
             {"samples_per_second", r.samples_per_second}}
            .dump());
}

void TrainLog::validation(std::int64_t step, std::span<const TrainValidation> validation) {
  Json sets = Json::array();
  for (const auto& v : validation) {
    sets.push_back(
        {{"set", v.set}, {"n", v.n}, {"base", v.base}, {"even", v.even}, {"tilted", v.tilted}});
  }
  write(Json{{"step", step}, {"validation", sets}}.dump());
}

void TrainLog::finished(const TrainReport& report) {
  write(Json{{"step", report.steps},
             {"samples", report.samples},
             {"finished", report.finished},
             {"minutes", report.minutes},
             {"samples_per_second", report.samples_per_second},
             {"number_type", report.number_type}}
            .dump());
}

}  // namespace crayon
