"""Every way to log."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        pb_utils.Logger.log_info("initialised")

    def execute(self, requests):
        logger = pb_utils.Logger
        logger.log("a line")
        logger.log("a line", logger.INFO)
        logger.log("a line", logger.WARNING)
        logger.log("a line", logger.ERROR)
        logger.log("a line", logger.VERBOSE)
        logger.log_info("an info")
        logger.log_warn("a warning: % {} \n two lines")
        logger.log_error("an error: é 😀")
        logger.log_verbose("hardly of interest")
        print("to standard output", flush=True)
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor("y", request.inputs()[0].as_numpy())]) for request in requests
        ]
