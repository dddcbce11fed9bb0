from .fits import StarFit as StarFit
from .fits import fit as fit
from .predictions import models as models
from .predictions import predict as predict
