#include "crayon/remote/internal/round.h"

namespace crayon {
namespace {

// Whether a status promises that no work was done, so that asking again costs nothing twice: too
// many requests, a gateway that reached nobody, a server that takes none now.
bool did_no_work(int status) { return status == 429 || status == 502 || status == 503; }

Failure of_refusal(const Refused& refused) {
  Failure failure;
  failure.error = refused;
  failure.status = refused.status();
  failure.again = did_no_work(refused.status());
  failure.asked_wait = refused.retry_after();
  // The request itself was refused: the server is well. A 429 that says when to come back is, too.
  failure.alive = refused.code() == ErrorCode::InvalidArgument;
  failure.counts = !failure.alive && !(refused.status() == 429 && failure.asked_wait);
  return failure;
}

}  // namespace

Failure read_failure(const std::exception_ptr& thrown, const Turn& turn) {
  Failure failure;
  try {
    std::rethrow_exception(thrown);
  } catch (const MustStay& stay) {
    if (stay.check_failed()) throw;
    failure.error = stay;
    failure.counts = false;
    failure.withheld = true;
  } catch (const Refused& refused) {
    failure = of_refusal(refused);
  } catch (const HttpError& error) {
    failure.error = error;
    failure.again = error.stage() == HttpStage::Unsent && !error.lasting();
  } catch (const Error& error) {
    if (turn.caller_threw) throw;
    failure.error = error;
    failure.counts = error.code() != ErrorCode::InvalidArgument;  // a key with a line end, say
  }
  if (turn.spoke) failure.again = false;
  return failure;
}

Error joined(const std::vector<Error>& errors) {
  std::string all;
  for (const Error& error : errors) {
    if (!all.empty()) all += "; ";
    all += error.what();
  }
  return {errors.back().code(), all};
}

}  // namespace crayon
