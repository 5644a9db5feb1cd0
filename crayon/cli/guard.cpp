#include "crayon/cli/guard.h"

#include <exception>
#include <filesystem>
#include <new>
#include <ostream>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"

namespace crayon {
namespace {

constexpr int kInterrupted = 130;
constexpr int kOurBug = 1;

/// libtorch's messages bring a stack trace behind their first line.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

int guarded(const ProgramWords& words, std::ostream& notes, const std::function<int()>& work) {
  const auto fails = [&](const std::string& what, int status) {
    notes << words.name << ": " << what << '\n';
    return status;
  };
  try {
    return work();
  } catch (const Error& error) {
    return fails(error.what(), info(error.code()).exit_status);
  } catch (const Interrupted&) {
    const std::string more = words.interrupted ? words.interrupted() : "";
    return fails("interrupted" + (more.empty() ? "" : "; " + more), kInterrupted);
  } catch (const std::filesystem::filesystem_error& error) {
    return fails(std::string(error.what()) + "; check the path and its rights",
                 info(ErrorCode::Unavailable).exit_status);
  } catch (const std::bad_alloc&) {
    return fails("out of memory; " + words.less_memory, info(ErrorCode::Unavailable).exit_status);
  } catch (const std::exception& error) {
    return fails("this is a bug in crayon: " + first_line(error.what()), kOurBug);
  }
}

void require_written(std::ostream& out) {
  out.flush();
  if (out) return;
  throw Error(ErrorCode::Unavailable,
              "standard output cannot be written, so a part of the result is lost; is the disk "
              "full?");
}

}  // namespace crayon
