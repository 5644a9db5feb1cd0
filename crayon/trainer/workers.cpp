#include "crayon/trainer/workers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/trainer/internal/process_group.h"

namespace crayon {
namespace {

constexpr int kInterrupted = 130;
constexpr int kOurBug = 1;
constexpr int kMostWorkers = 4096;
constexpr int kMostPort = 65535;

using Variables = std::function<const char*(const char*)>;

std::optional<std::string> text_of(const Variables& variable, const char* name) {
  const char* value = variable(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

int number_of(const Variables& variable, const char* name, int least, int most,
              std::optional<int> otherwise = std::nullopt) {
  const auto text = text_of(variable, name);
  if (!text && otherwise) return *otherwise;
  int value = 0;
  if (text) {
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    const bool whole = error == std::errc() && end == text->data() + text->size();
    if (whole && value >= least && value <= most) return value;
  }
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("environment: {} is {}, expected a number from {} to {}; start by "
                          "`torchrun --no-python`, `crayon train --workers N`, or a launcher that "
                          "sets it",
                          name, text ? "'" + *text + "'" : "not set", least, most));
}

/// The code whose exit status this is; a bug of another worker has none of its own.
ErrorCode code_of(int exit_status) {
  for (const ErrorCode code :
       {ErrorCode::InvalidArgument, ErrorCode::NotFound, ErrorCode::Incompatible,
        ErrorCode::CorruptFile, ErrorCode::Unsupported, ErrorCode::Unavailable}) {
    if (info(code).exit_status == exit_status) return code;
  }
  return ErrorCode::Unavailable;
}

/// libtorch's messages bring a stack trace behind their first line.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

WorkerPlace worker_place(const Variables& variable, int store_port) {
  WorkerPlace place;
  place.size = number_of(variable, "WORLD_SIZE", 1, kMostWorkers, 1);
  if (place.size == 1) return place;
  place.rank = number_of(variable, "RANK", 0, place.size - 1);
  place.local_size = number_of(variable, "LOCAL_WORLD_SIZE", 1, place.size, 1);
  place.local_rank = number_of(variable, "LOCAL_RANK", 0, place.size - 1, 0);
  const auto host = text_of(variable, "MASTER_ADDR");
  if (!host) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("environment: MASTER_ADDR is not set in a job of {} workers, expected "
                            "the machine of worker 0; start by `torchrun --no-python`, or set it",
                            place.size));
  }
  place.host = *host;
  place.store_port =
      store_port > 0 ? store_port : number_of(variable, "MASTER_PORT", 1, kMostPort - 1) + 1;
  return place;
}

bool speaks(const WorkerPlace& place, int teller) {
  if (teller == place.rank || place.local_size == 1) return true;
  const int first = place.rank - place.local_rank;  // launchers number a machine's workers in a row
  if (teller >= first && teller < first + place.local_size) return false;
  return place.local_rank == 0;
}

int run_worker(ProcessGroup& group, const std::function<int()>& work) {
  const WorkerPlace& place = group.place();
  if (place.size == 1) return work();
  const std::string who = fmt::format("worker {} of {}: ", place.rank, place.size);
  // What this one has to say, unless another was first: then all end as that one has told.
  const auto tells = [&](int status, const std::string& text) {
    const WorkerFailure told = group.tell({place.rank, status, text});
    return told.teller == place.rank ? std::nullopt : std::optional<int>(told.exit_status);
  };
  try {
    const int status = work();
    group.leave();
    return status;
  } catch (const WorkerFailed& failed) {
    const WorkerFailure& failure = failed.failure();
    group.leave();
    if (!speaks(place, failure.teller)) return failure.exit_status;
    throw Error(code_of(failure.exit_status), failure.text);
  } catch (const Error& error) {
    const auto status = tells(info(error.code()).exit_status, who + error.what());
    group.leave();
    if (status) return *status;
    throw Error(error.code(), who + error.what());
  } catch (const Interrupted&) {
    const auto status = tells(kInterrupted, "interrupted");
    group.leave();
    if (status) return *status;
    throw;
  } catch (const std::exception& error) {
    const auto status = tells(kOurBug, who + first_line(error.what()));
    group.leave();
    if (status) return *status;
    throw;
  }
}

}  // namespace crayon
