"""Every code of an error."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            number = int(request.inputs()[0].as_numpy()[0])
            names = ("UNKNOWN", "INTERNAL", "NOT_FOUND", "INVALID_ARG", "UNAVAILABLE", "UNSUPPORTED", "ALREADY_EXISTS")
            if number == 7:
                error = pb_utils.TritonError("no code")
            elif number == 8:
                error = pb_utils.TritonError("cancelled", pb_utils.TritonError.CANCELLED)
            else:
                error = pb_utils.TritonError(names[number].lower(), getattr(pb_utils.TritonError, names[number]))
            answers.append(pb_utils.InferenceResponse(output_tensors=[], error=error))
        return answers
